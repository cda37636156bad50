// The prompt cache of a runner, rule by rule (routing.md §1.3).
import { describe, expect, it } from "vitest";
import { PromptCache } from "../../../src/sim/routing/prompt-cache.ts";
import type { Prompt } from "../../../src/sim/routing/prompt-cache.ts";

const BLOCK = 512;
const LARGE = 2 ** 40;

function prompt(...blocks: number[]): Prompt {
  return { tokens: blocks.length * BLOCK, blocks, blockTokens: BLOCK };
}

function cacheOf(slots: number, hostMemoryBytes = LARGE): PromptCache {
  return new PromptCache({ slots, hostMemoryBytes, kvBytesPerToken: 1 });
}

function serve(cache: PromptCache, asked: Prompt, now: number): { slot: number; cachedTokens: number } {
  const claim = cache.claim(asked, now);
  if (claim === undefined) throw new Error("no idle slot");
  cache.release(claim.slot, asked, 0, now);
  return { slot: claim.slot, cachedTokens: claim.cachedTokens };
}

describe("the prompt cache (§1.3)", () => {
  it("takes the idle slot that shares the most with the prompt", () => {
    const cache = cacheOf(2, 0);
    serve(cache, prompt(1, 2, 3), 1);
    serve(cache, prompt(7, 8, 9), 2);
    expect(serve(cache, prompt(7, 8, 10), 3)).toEqual({ slot: 1, cachedTokens: 2 * BLOCK });
    expect(serve(cache, prompt(1, 2, 3, 4), 4)).toEqual({ slot: 0, cachedTokens: 3 * BLOCK });
  });

  it("takes the least recently used slot when none shares more than a tenth of the prompt", () => {
    const cache = cacheOf(2, 0);
    serve(cache, prompt(1, 2), 1);
    serve(cache, prompt(7, 8), 2);
    const tenth = prompt(7, ...Array.from({ length: 9 }, (_, index) => 20 + index));
    expect(serve(cache, tenth, 3)).toEqual({ slot: 0, cachedTokens: 0 });
  });

  it("gives no slot while all are busy", () => {
    const cache = cacheOf(1);
    cache.claim(prompt(1), 1);
    expect(cache.claim(prompt(2), 2)).toBeUndefined();
  });

  it("always reads the last token again", () => {
    const cache = cacheOf(1);
    serve(cache, prompt(1, 2), 1);
    expect(serve(cache, prompt(1, 2), 2).cachedTokens).toBe(2 * BLOCK - 1);
  });

  it("finds a replaced prompt again in host memory", () => {
    const cache = cacheOf(1);
    serve(cache, prompt(1, 2, 3), 1);
    serve(cache, prompt(7, 8, 9), 2);
    expect(serve(cache, prompt(1, 2, 3, 4), 3).cachedTokens).toBe(3 * BLOCK);
  });

  it("forgets a replaced prompt without host memory", () => {
    const cache = cacheOf(1, 0);
    serve(cache, prompt(1, 2, 3), 1);
    serve(cache, prompt(7, 8, 9), 2);
    expect(serve(cache, prompt(1, 2, 3, 4), 3).cachedTokens).toBe(0);
  });

  it("saves a slot's content only when it would lose more than half of it", () => {
    const losing = cacheOf(1);
    serve(losing, prompt(1, 2, 3, 4, 5, 6, 7, 8), 1);
    serve(losing, prompt(1, 2, 9), 2);
    expect(losing.savedStates).toBe(1);
    const keeping = cacheOf(1);
    serve(keeping, prompt(1, 2, 3, 4, 5), 1);
    serve(keeping, prompt(1, 2, 3, 9), 2);
    expect(keeping.savedStates).toBe(0);
  });

  it("publishes what idle slots hold at each new task", () => {
    const cache = cacheOf(2);
    serve(cache, prompt(1, 2, 3), 1);
    expect(serve(cache, prompt(7, 8, 9), 2).slot).toBe(1);
    expect(cache.savedStates).toBe(1);
  });

  it("does not restore a state of which less than a quarter would be kept", () => {
    const cache = cacheOf(1);
    serve(cache, prompt(1, 2, 3, 4, 5), 1);
    serve(cache, prompt(7), 2);
    expect(serve(cache, prompt(1), 3).cachedTokens).toBe(0);
  });

  it("evicts the oldest states by size and always keeps one", () => {
    const cache = cacheOf(1, 5 * BLOCK);
    serve(cache, prompt(1, 2, 3), 1);
    serve(cache, prompt(4, 5, 6), 2);
    serve(cache, prompt(7, 8, 9), 3);
    expect(cache.savedStates).toBe(1);
    expect(serve(cache, prompt(1, 2, 3), 4).cachedTokens).toBe(0);
    const tiny = cacheOf(1, 1);
    serve(tiny, prompt(1, 2, 3), 1);
    serve(tiny, prompt(4, 5, 6), 2);
    expect(tiny.savedStates).toBe(1);
  });

  it("restores a state before what was saved for it pushes it out", () => {
    const cache = cacheOf(1, 6 * BLOCK);
    serve(cache, prompt(1, 2, 3), 1);
    serve(cache, prompt(4, 5, 6), 2);
    serve(cache, prompt(7, 8, 9), 3);
    expect(cache.savedStates).toBe(2);
    expect(serve(cache, prompt(1, 2, 3, 10), 4).cachedTokens).toBe(3 * BLOCK);
  });

  it("charges the time that states take to move", () => {
    const cache = cacheOf(1);
    serve(cache, prompt(1, 2), 1);
    expect(cache.claim(prompt(7), 2)?.moveMs).toBeCloseTo(2 * BLOCK * (150 / 12_000));
  });
});
