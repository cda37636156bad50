// The tree of beginnings answers what plain lists of the prompts each runner holds would.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Beginnings } from "../../src/core/beginnings.ts";
import { createFleet, step } from "../../src/core/fleet.ts";
import {
  dropPrefixes,
  hasRead,
  holdPrompt,
  matchPrefixes,
  matchRunner,
  matchedBytes,
} from "../../src/core/prefixes.ts";
import { runnerOf } from "../../src/core/runners.ts";
import type { Runner } from "../../src/core/state.ts";
import { MODEL, T0, aRegistration, aRequest } from "./builders.ts";

const RUNNERS = 3;
const BRANCHES = 3;
const DEEPEST = 7;

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

function longestHeld({ held }: Runner, hashes: readonly number[]): number {
  const all = new Set([...held.prompts.keys()].flatMap(chainOf));
  return hashes.findLastIndex((hash) => all.has(hash)) + 1;
}

describe("the beginnings of prompts", () => {
  it("match each runner as far as one of the prompts that it holds", () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), fc.array(path, { maxLength: 8 }), (moves, asked) => {
        const tree: Beginnings = new Map();
        const runners = someRunners();
        for (const one of moves) {
          const runner = runners[one.runner];
          if (runner === undefined) continue;
          if (one.type === "unload") dropPrefixes(tree, runner);
          else holdPrompt(tree, runner, { hashes: hashesOf(one.path), tokens: 10 }, { tokens: 45, prompts: 1 });
        }
        const held = new Set(runners.flatMap((runner) => [...runner.held.prompts.keys()]).flatMap(chainOf));
        expect(new Set(tree.keys())).toEqual(held);
        for (const [stamp, branches] of asked.entries()) {
          const prefix = hashesOf(branches);
          const request = aRequest("r", { prefix, promptBytes: prefix.length });
          matchPrefixes(tree, request, stamp);
          const matched = runners.map((runner) => matchedBytes(runner, stamp));
          expect(matched).toEqual(runners.map((runner) => longestHeld(runner, prefix)));
          for (const runner of runners) matchRunner(tree, runner, request, stamp);
          expect(runners.map((runner) => matchedBytes(runner, stamp))).toEqual(matched);
          for (let bytes = 1; bytes <= DEEPEST + 1; bytes += 1) {
            const read = runners.map((runner) => hasRead(tree, runner, request, bytes));
            expect(read).toEqual(matched.map((most) => most >= bytes));
          }
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("are held as whole prompts, of which none goes on from another", () => {
    fc.assert(
      fc.property(fc.array(path, { maxLength: 30 }), (prompts) => {
        const tree: Beginnings = new Map();
        const [runner] = someRunners();
        if (runner === undefined) return;
        for (const branches of prompts) {
          const hashes = hashesOf(branches);
          holdPrompt(tree, runner, { hashes, tokens: 10 }, { tokens: 100, prompts: 1 });
          const ends = [...runner.held.prompts.keys()];
          expect(ends.at(-1)).toBe(hashes.at(-1));
          expect(ends.filter((end) => hashes.includes(end))).toEqual([hashes.at(-1)]);
          expect(runner.held.tokens).toBe(10 * ends.length);
        }
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  it("of long prompts, which leave out hashes, are met at the last that both have where one went on from the other", () => {
    const tree: Beginnings = new Map();
    const [sparse, dense] = someRunners();
    if (sparse === undefined || dense === undefined) return;
    const capacity = { tokens: 100, prompts: 1 };
    holdPrompt(tree, sparse, { hashes: [14, 18, 22], tokens: 10 }, capacity);
    holdPrompt(tree, dense, { hashes: [11, 12, 13, 14, 15, 16], tokens: 10 }, capacity);
    const request = aRequest("r", { prefix: [11, 12, 13, 14, 15, 16, 17, 18, 19], promptBytes: 9 });
    matchPrefixes(tree, request, 1);
    // That 18 goes on from 16 nobody has said when both were read: the second block of 4 KiB is not looked into.
    expect([matchedBytes(sparse, 1), matchedBytes(dense, 1)]).toEqual([8, 4]);
    dropPrefixes(tree, sparse);
    dropPrefixes(tree, dense);
    expect(tree.size).toBe(0);
  });
});
