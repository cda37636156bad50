// Which prompts a runner remembers: in its slots, and in host memory when a slot was needed for another.
import { describe, expect, it } from "vitest";
import { PromptCache } from "../../../src/sim/ollama/machine/prompt-cache.ts";

const PLENTY = 1_000_000;
const story = Buffer.from("a long story about bees ".repeat(20));
const other = Buffer.from("something else entirely ".repeat(20));

function read(cache: PromptCache, prompt: Buffer, answer = ""): number {
  const slot = cache.take(prompt);
  slot.release(Buffer.concat([prompt, Buffer.from(answer)]));
  return slot.cachedTokens;
}

describe("the prompt cache", () => {
  it("knows nothing at first and the whole prompt the second time", () => {
    const cache = new PromptCache(1, PLENTY);
    expect(read(cache, story)).toBe(0);
    expect(read(cache, story)).toBe(Math.ceil(story.length / 4));
  });

  it("knows the answer too, when the conversation goes on", () => {
    const cache = new PromptCache(1, PLENTY);
    read(cache, story, "and so it was");
    const next = Buffer.concat([story, Buffer.from("and so it was"), Buffer.from(" go on")]);
    expect(read(cache, next)).toBe(Math.floor((story.length + 13) / 4));
  });

  it("brings back a prompt that another has pushed out of the slot", () => {
    const cache = new PromptCache(1, PLENTY);
    read(cache, story);
    expect(read(cache, other)).toBe(0);
    expect(read(cache, story)).toBe(Math.ceil(story.length / 4));
  });

  it("forgets the oldest saved prompt when host memory is full", () => {
    const cache = new PromptCache(1, other.length / 4);
    const third = Buffer.from("the third one is about cells ".repeat(18));
    for (const prompt of [story, other, third, story]) expect(read(cache, prompt)).toBe(0);
  });

  it("leaves a slot that is in use alone, and takes the one that knows most", () => {
    const cache = new PromptCache(2, PLENTY);
    const busy = cache.take(story);
    expect(read(cache, other)).toBe(0);
    busy.release(story);
    expect(read(cache, other)).toBe(Math.ceil(other.length / 4));
    expect(read(cache, story)).toBe(Math.ceil(story.length / 4));
  });

  it("keeps what a slot held when its generation was broken off", () => {
    const cache = new PromptCache(1, 0);
    read(cache, story);
    cache.take(Buffer.concat([story, Buffer.from("x".repeat(400))])).release(undefined);
    expect(read(cache, story)).toBe(Math.ceil(story.length / 4));
  });
});
