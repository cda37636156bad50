// Loads: learned as what they were, and ordered with the options that are asked for.
import { describe, expect, it } from "vitest";
import { mostAskedOptions } from "../../src/core/loads.ts";
import type { FinishedLease } from "../../src/wire/heartbeat.ts";
import { FleetDriver, MODEL, OTHER, aModel, aRunning, grantIn } from "./builders.ts";

const GB = 1e9;
const SIZE = 5 * GB;
const MODELS = { models: [aModel(MODEL, { sizeBytes: SIZE }), aModel(OTHER, { sizeBytes: SIZE })] };

function driven(): FleetDriver {
  const driver = new FleetDriver({ policy: "predicted_latency" });
  driver.at(6_000);
  return driver;
}

function finished(id: string, part: Partial<FinishedLease> = {}): FinishedLease {
  const times = { promptMs: 500, outputMs: 1_000, loadMs: 0, totalMs: 1_500 };
  return { id: `L-${id}`, model: MODEL, outcome: "served", promptTokens: 1_000, outputTokens: 50, ...times, ...part };
}

/** The parts of a host's score, for a request that goes where it will. */
function partsOf(
  driver: FleetDriver,
  hostId: string,
  requestId: string,
  model = MODEL,
): Readonly<Record<string, number>> {
  const { decision } = grantIn(driver.acquire(requestId, { model, promptBytes: 4_000 }));
  driver.settle(requestId, { type: "client-left" });
  return decision.candidates.find((one) => one.hostId === hostId)?.parts ?? {};
}

describe("a load", () => {
  it("that was a host's first of a model is learned as one from disk, for hosts that have yet to read it too", () => {
    const driver = driven();
    for (const id of ["a", "b"]) driver.join(id, MODELS);
    driver.acquire("first", { pinnedHost: "a", promptBytes: 4_000 });
    driver.now += 21_500;
    driver.settle("first");
    driver.beat("a", {
      ...MODELS,
      running: [aRunning()],
      finished: [finished("first", { loadMs: 20_000, totalMs: 21_500 })],
    });
    driver.beat("b", MODELS);
    expect(partsOf(driver, "b", "next")["load"]).toBeCloseTo(20, 0);
  });

  it("is ordered with the options that are asked for most, or that somebody waits for", () => {
    const driver = driven();
    expect(mostAskedOptions(driver.fleet, MODEL, driver.now)).toBe("");
    driver.join("a", { ...MODELS, slots: 4, parallel: 4 });
    for (const [index, runner] of ["num_ctx=8192", "num_ctx=4096", "num_ctx=8192"].entries()) {
      driver.acquire(`r${index}`, { runner });
    }
    expect(mostAskedOptions(driver.fleet, MODEL, driver.now)).toBe("num_ctx=8192");
    expect(mostAskedOptions(driver.fleet, OTHER, driver.now)).toBe("");
    driver.join("none", { ...MODELS, slots: 1, parallel: 1 });
    driver.acquire("taken", { model: MODEL, pinnedHost: "none" });
    driver.acquire("waits", { model: OTHER, runner: "num_ctx=2048", pinnedHost: "none" });
    expect(mostAskedOptions(driver.fleet, OTHER, driver.now)).toBe("num_ctx=2048");
  });
});
