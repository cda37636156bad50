// What the fleet believes of prompt caches is what a llama-server would hold, and its tree of beginnings tells it right.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Beginnings } from "../../src/core/beginnings.ts";
import { createFleet, step } from "../../src/core/fleet.ts";
import {
  dropPrefixes,
  foundTokens,
  leaveSlot,
  matchPrefixes,
  matchRunner,
  matchedBytes,
  takeSlot,
} from "../../src/core/prefixes.ts";
import type { Claim, HeldPrompt } from "../../src/core/prompt-cache.ts";
import { runnerOf } from "../../src/core/runners.ts";
import type { Runner } from "../../src/core/state.ts";
import { PromptCache } from "../../src/sim/routing/prompt-cache.ts";
import { MODEL, T0, aRegistration, aRequest } from "./builders.ts";

const RUNNERS = 3;
const BRANCHES = 3;
const DEEPEST = 7;
const SLOTS = 2;
const BLOCK = 512;
/** As many tokens as a runner of a model of these bytes is expected to keep. */
const KEPT_TOKENS = 65_536;
const MODEL_BYTES = 4.9e9;

/** A prompt as the branches it takes at each hash; its hashes tell all of them before. */
const path = fc.array(fc.nat(BRANCHES - 1), { minLength: 1, maxLength: DEEPEST });
const move = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant("read" as const), runner: fc.nat(RUNNERS - 1), path }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unload" as const), runner: fc.nat(RUNNERS - 1) }) },
);

function hashesOf(branches: readonly number[]): number[] {
  let hash = 1;
  return branches.map((branch) => (hash = hash * (BRANCHES + 1) + branch + 1));
}

/** What comes before a hash, itself included. */
function chainOf(hash: number): number[] {
  return hash <= 1 ? [] : [...chainOf(Math.floor(hash / (BRANCHES + 1))), hash];
}

function someRunners(): Runner[] {
  const fleet = createFleet(
    { maxInstances: 9, queueTimeoutMs: 1, queueLimit: 1, heartbeatIntervalMs: 5_000, policy: "predicted_latency" },
    T0,
  );
  for (let index = 0; index < RUNNERS; index += 1) {
    step(fleet, { type: "host-registered", registration: aRegistration(`h${index}`) }, { now: T0, random: () => 0 });
  }
  return [...fleet.hosts.values()].map((host) => runnerOf(fleet, host, MODEL, ""));
}

/** The tree of one fleet, its clock and its numbers for requests. */
class Tree {
  readonly beginnings: Beginnings = new Map();
  now = 0;
  #stamp = 0;

  ask(prefix: readonly number[], blockTokens = 1) {
    this.#stamp += 1;
    const tokens = prefix.length * blockTokens;
    const request = aRequest("r", { prefix: [...prefix], promptBytes: tokens });
    return { request, asked: { hashes: prefix, tokens, tokensPerByte: 1, stamp: this.#stamp } };
  }

  begin(runner: Runner, prefix: readonly number[], blockTokens = 1): Claim | undefined {
    const { request, asked } = this.ask(prefix, blockTokens);
    matchPrefixes(this.beginnings, request, asked.stamp);
    this.now += 1;
    const room = { parallel: SLOTS, modelBytes: MODEL_BYTES, savesPrompts: true, now: this.now };
    return takeSlot(this.beginnings, runner, asked, room);
  }

  end(runner: Runner, claim: Claim | undefined, tokens: number): void {
    this.now += 1;
    if (claim !== undefined) leaveSlot(this.beginnings, runner, claim, { tokens, now: this.now });
  }
}

function heldBy({ held: { cache } }: Runner): HeldPrompt[] {
  const idle = cache.slots.flatMap(({ held, busy }) => (held === undefined || busy ? [] : [held]));
  return [...new Set([...idle, ...cache.saved])];
}

function longestHeld(runner: Runner, hashes: readonly number[]): number {
  const all = new Set(heldBy(runner).flatMap((prompt) => prompt.hashes));
  return hashes.findLastIndex((hash) => all.has(hash)) + 1;
}

describe("the beginnings of prompts", () => {
  it("match each runner as far as one of the prompts that it holds", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), fc.array(path, { maxLength: 8 }), (moves, questions) => {
        const tree = new Tree();
        const runners = someRunners();
        for (const one of moves) {
          const runner = runners[one.runner];
          if (runner === undefined) continue;
          if (one.type === "unload") dropPrefixes(tree.beginnings, runner);
          else tree.end(runner, tree.begin(runner, hashesOf(one.path), 3_000), one.path.length * 3_000);
        }
        const held = new Set(runners.flatMap(heldBy).flatMap(({ hashes }) => chainOf(hashes.at(-1) ?? 0)));
        expect(new Set(tree.beginnings.keys())).toEqual(held);
        for (const branches of questions) {
          const { request, asked } = tree.ask(hashesOf(branches));
          matchPrefixes(tree.beginnings, request, asked.stamp);
          const matched = runners.map((runner) => matchedBytes(runner, asked.stamp));
          expect(matched).toEqual(runners.map((runner) => longestHeld(runner, asked.hashes)));
          for (const runner of runners) matchRunner(tree.beginnings, runner, request, asked.stamp);
          expect(runners.map((runner) => matchedBytes(runner, asked.stamp))).toEqual(matched);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("of long prompts, which leave out hashes, are met at the last that both have where one went on from the other", () => {
    const tree = new Tree();
    const [sparse, dense] = someRunners();
    if (sparse === undefined || dense === undefined) return;
    tree.end(sparse, tree.begin(sparse, [14, 18, 22]), 3);
    tree.end(dense, tree.begin(dense, [11, 12, 13, 14, 15, 16]), 6);
    const { request, asked } = tree.ask([11, 12, 13, 14, 15, 16, 17, 18, 19]);
    matchPrefixes(tree.beginnings, request, asked.stamp);
    // That 18 goes on from 16 nobody has said when both were read: the second block of 4 KiB is not looked into.
    expect([matchedBytes(sparse, asked.stamp), matchedBytes(dense, asked.stamp)]).toEqual([8, 4]);
    dropPrefixes(tree.beginnings, sparse);
    dropPrefixes(tree.beginnings, dense);
    expect(tree.beginnings.size).toBe(0);
  });
});

describe("what a runner is believed to hold", () => {
  /** Prompts of up to 14 k tokens, of which an answer and the next turn go on: some six fit into host memory. */
  const turn = fc.record({ path, blocks: fc.constantFrom(2, 4), begins: fc.boolean() });

  it("is what the prompt cache of a llama-server holds, request by request", () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 60 }), (turns) => {
        const tree = new Tree();
        const [runner] = someRunners();
        if (runner === undefined) return;
        const truth = new PromptCache({ slots: SLOTS, hostMemoryBytes: KEPT_TOKENS, kvBytesPerToken: 1 });
        const open: { claim: Claim | undefined; slot: number; prompt: Parameters<PromptCache["claim"]>[0] }[] = [];
        for (const { path: branches, blocks, begins } of turns) {
          const first = begins && open.length < SLOTS ? undefined : open.shift();
          if (first !== undefined) {
            tree.end(runner, first.claim, first.prompt.tokens + 100);
            truth.release(first.slot, first.prompt, 100, tree.now);
            continue;
          }
          const blockTokens = blocks * BLOCK;
          const hashes = hashesOf(branches).map((hash) => hash * 10 + blocks);
          const prompt = { tokens: hashes.length * blockTokens, blocks: hashes, blockTokens };
          const { request, asked } = tree.ask(hashes, blockTokens);
          matchPrefixes(tree.beginnings, request, asked.stamp);
          const found = foundTokens(runner, asked);
          expect(Math.min(prompt.tokens - 1, found)).toBe(truth.peek(prompt)?.cachedTokens);
          const claim = tree.begin(runner, hashes, blockTokens);
          const claimed = truth.claim(prompt, tree.now);
          expect(Math.min(prompt.tokens - 1, claim?.slot.begun?.tokens ?? 0)).toBe(claimed?.cachedTokens);
          expect(runner.held.cache.slots.indexOf(claim?.slot ?? { busy: true, usedAt: 0 })).toBe(claimed?.slot);
          expect(runner.held.cache.saved.length).toBe(truth.savedStates);
          open.push({ claim, slot: claimed?.slot ?? -1, prompt });
        }
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it("goes back to what was there when a request ends before its prompt is read", () => {
    const tree = new Tree();
    const [runner] = someRunners();
    if (runner === undefined) return;
    tree.end(runner, tree.begin(runner, [11, 12, 13], 1_000), 3_000);
    const claim = tree.begin(runner, [11, 12, 19, 20], 1_000);
    if (claim === undefined) throw new Error("no slot");
    leaveSlot(tree.beginnings, runner, claim, { tokens: undefined, now: tree.now });
    const { request, asked } = tree.ask([11, 12, 19, 20], 1_000);
    matchPrefixes(tree.beginnings, request, asked.stamp);
    expect(foundTokens(runner, asked)).toBe(2_000);
  });
});
