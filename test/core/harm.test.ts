// What a request takes from those already on a host: they stand still while its prompt is read, and the longest suffer most.
import { describe, expect, it } from "vitest";
import { FleetDriver, MODEL, aModel, aRunning, grantIn } from "./builders.ts";

const LONG_PROMPT = 40_000;
const SHORT_PROMPT = 4_000;

/** The parts of the cost of a request beside another one that began so long ago. */
function besideOne(neighbour: { promptBytes: number; sinceMs: number }, promptBytes: number) {
  const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
  driver.at(6_000);
  const beat = { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning(MODEL)], slots: 2, parallel: 2 };
  driver.join("a", beat);
  driver.acquire("neighbour", { promptBytes: neighbour.promptBytes });
  driver.now += neighbour.sinceMs;
  return grantIn(driver.acquire("asked", { promptBytes })).decision.candidates[0]?.parts ?? {};
}

/** What the reading of a longer prompt adds to the harm, in parts of that reading. */
function harmPerReading(neighbour: { promptBytes: number; sinceMs: number }): number {
  const [short, long] = [besideOne(neighbour, SHORT_PROMPT), besideOne(neighbour, LONG_PROMPT)];
  return ((long["harm"] ?? 0) - (short["harm"] ?? 0)) / ((long["prefill"] ?? 0) - (short["prefill"] ?? 0));
}

describe("the harm a request does", () => {
  it("is as great to a neighbour that is still read, and will write by then, as to one that writes", () => {
    const [read, writes] = [0, 8_000].map((sinceMs) => ({ promptBytes: LONG_PROMPT, sinceMs }));
    if (read === undefined || writes === undefined) throw new Error("two neighbours");
    expect(besideOne(read, SHORT_PROMPT)["owed"]).toBeGreaterThan(1);
    expect(besideOne(writes, SHORT_PROMPT)["owed"]).toBe(0);
    expect(harmPerReading(read)).toBeCloseTo(harmPerReading(writes), 6);
  });

  it("counts by the root of the time that the neighbour takes in all", () => {
    const secondsOf = (promptBytes: number): number => {
      const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
      driver.at(6_000);
      driver.join("a", { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning(MODEL)] });
      const parts = grantIn(driver.acquire("alone", { promptBytes })).decision.candidates[0]?.parts ?? {};
      return (parts["prefill"] ?? 0) + (parts["decode"] ?? 0);
    };
    for (const promptBytes of [SHORT_PROMPT, LONG_PROMPT]) {
      expect(harmPerReading({ promptBytes, sinceMs: 0 })).toBeCloseTo(Math.sqrt(secondsOf(promptBytes) / 4), 6);
    }
    expect(secondsOf(LONG_PROMPT)).toBeGreaterThan(1.5 * secondsOf(SHORT_PROMPT));
  });
});
