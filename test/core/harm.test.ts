// What a request takes from those already on a host: they stand still while its prompt is read.
import { describe, expect, it } from "vitest";
import { FleetDriver, MODEL, aModel, aRunning, grantIn } from "./builders.ts";

const LONG_PROMPT = 40_000;
const SHORT_PROMPT = 4_000;

/** The parts of the cost of a request beside another one that began so long ago. */
function besideOneSince(ms: number, promptBytes: number) {
  const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
  driver.at(6_000);
  const beat = { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning(MODEL)], slots: 2, parallel: 2 };
  driver.join("a", beat);
  driver.acquire("neighbour", { promptBytes: LONG_PROMPT });
  driver.now += ms;
  return grantIn(driver.acquire("asked", { promptBytes })).decision.candidates[0]?.parts ?? {};
}

/** What the reading of a longer prompt adds to the harm, in parts of that reading. */
function harmPerReading(sinceMs: number): number {
  const [short, long] = [besideOneSince(sinceMs, SHORT_PROMPT), besideOneSince(sinceMs, LONG_PROMPT)];
  return ((long["harm"] ?? 0) - (short["harm"] ?? 0)) / ((long["prefill"] ?? 0) - (short["prefill"] ?? 0));
}

describe("the harm a request does", () => {
  it("is the reading of its prompt to a neighbour that writes", () => {
    expect(besideOneSince(8_000, SHORT_PROMPT)["owed"]).toBe(0);
    expect(harmPerReading(8_000)).toBeCloseTo(1, 6);
  });

  it("is that also to a neighbour that is still read and will write by then", () => {
    expect(besideOneSince(0, SHORT_PROMPT)["owed"]).toBeGreaterThan(1);
    expect(harmPerReading(0)).toBeCloseTo(1, 6);
  });
});
