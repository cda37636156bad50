// What a load costs in a forecast: its own time, those before it, and what must leave for it.
import { describe, expect, it } from "vitest";
import type { FleetBeat } from "../../src/core/fleet.ts";
import { FleetDriver, MODEL, OTHER, aModel, aRunning, grantIn } from "./builders.ts";

const GB = 1e9;
const MODELS = [aModel(MODEL, { sizeBytes: 5 * GB }), aModel(OTHER, { sizeBytes: 9 * GB })];
const THIRD = aModel("registry.ollama.ai/library/third:latest", { sizeBytes: 5 * GB });

/** The parts of the cost of a request on the only host there is. */
function partsOn(beat: Partial<FleetBeat>, prepare: (driver: FleetDriver) => void = () => undefined) {
  const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
  driver.at(6_000);
  driver.join("a", { models: MODELS, ...beat });
  prepare(driver);
  return grantIn(driver.acquire("asked", { promptBytes: 4_000 })).decision.candidates[0]?.parts ?? {};
}

describe("a load", () => {
  it("costs its bytes where nothing is in memory, and nothing where the model is", () => {
    expect(partsOn({})["load"]).toBeCloseTo(0.8 + 5 / 2, 6);
    expect(partsOn({ running: [aRunning(MODEL)] })["load"]).toBe(0);
  });

  it("is due again where the model was pulled anew and its old file is still in memory", () => {
    const models = [aModel(MODEL, { sizeBytes: 5 * GB, digest: "d2" })];
    expect(partsOn({ models, running: [aRunning(MODEL)] })["load"]).toBeCloseTo(0.8 + 5 / 2, 6);
    expect(partsOn({ models, running: [aRunning(MODEL, { digest: "d2" })] })["load"]).toBe(0);
  });

  it("waits for the load of another model that is under way", () => {
    const alone = partsOn({})["load"] ?? 0;
    const second = partsOn({}, (driver) => driver.acquire("other", { model: OTHER, promptBytes: 4_000 }))["load"] ?? 0;
    expect(second - alone).toBeGreaterThan(4);
  });

  it("costs an eviction where there is no room, and more where what leaves is asked for again", () => {
    const crowded = { running: [aRunning(OTHER, { sizeBytes: 9 * GB })], vramFreeBytes: 4 * GB };
    const cold = partsOn(crowded)["load"] ?? 0;
    expect(cold).toBeCloseTo(0.8 + 5 / 2 + 1, 6);
    const wanted = partsOn(crowded, (driver) => {
      for (let index = 0; index < 6; index += 1) {
        driver.acquire(`${index}`, { model: OTHER });
        driver.settle(`${index}`);
      }
    });
    expect((wanted["load"] ?? 0) - cold).toBeGreaterThan(1);
  });

  it("costs no eviction where there is room", () => {
    const roomy = { running: [aRunning(OTHER, { sizeBytes: 9 * GB })], vramFreeBytes: 14 * GB };
    expect(partsOn(roomy)["load"]).toBeCloseTo(0.8 + 5 / 2, 6);
  });

  it("of a fourth model evicts one, whatever memory there is", () => {
    const running = [aRunning(OTHER), aRunning(THIRD.key), aRunning("registry.ollama.ai/library/fourth:latest")];
    expect(partsOn({ running, vramFreeBytes: 80 * GB })["load"]).toBeCloseTo(0.8 + 5 / 2 + 1, 6);
  });
});

describe("a model that does not fit into GPU memory", () => {
  it("is expected to be seven times slower than its host, until it was measured", () => {
    const whole = partsOn({ running: [aRunning(MODEL, { sizeBytes: 9 * GB, sizeVramBytes: 9 * GB })] });
    const part = partsOn({ running: [aRunning(MODEL, { sizeBytes: 9 * GB, sizeVramBytes: 6 * GB })] });
    expect((part["prefill"] ?? 0) / (whole["prefill"] ?? 1)).toBeCloseTo(7, 6);
    expect((part["decode"] ?? 0) / (whole["decode"] ?? 1)).toBeCloseTo(7, 6);
  });

  it("is so also before it is loaded, where the host tells how much memory it has", () => {
    const fits = partsOn({ vramTotalBytes: 24 * GB });
    const tooLarge = partsOn({ vramTotalBytes: 6 * GB });
    expect((tooLarge["prefill"] ?? 0) / (fits["prefill"] ?? 1)).toBeCloseTo(7, 6);
  });
});

describe("a host of unknown speed", () => {
  /** The cost of a second request while the first has run for a time. */
  function secondAfter(ms: number) {
    const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
    driver.at(6_000);
    const beat = { models: MODELS, running: [aRunning(MODEL)], slots: 2, parallel: 2 };
    driver.join("a", beat);
    driver.acquire("first", { promptBytes: 40_000 });
    for (let passed = 0; passed < ms; passed += 5_000) {
      driver.now += 5_000;
      driver.beat("a", { ...beat, active: [{ id: "L-first", model: MODEL, startedAt: driver.now }] });
    }
    return grantIn(driver.acquire("second", { promptBytes: 40_000 })).decision.candidates[0]?.parts ?? {};
  }

  it("is doubted more while its first request tells nothing yet", () => {
    const alone = partsOn({ running: [aRunning(MODEL)] });
    expect(alone["doubt"]).toBeLessThan(0.5 * (alone["total"] ?? 0));
    const { doubt = 0, total = 0 } = secondAfter(0);
    expect(doubt).toBeGreaterThan(0.7 * total);
  });

  it("is taken to be as many times slower as its first request is late", () => {
    const [early, late] = [secondAfter(0)["prefill"] ?? 0, secondAfter(120_000)["prefill"] ?? 0];
    expect(late).toBeGreaterThan(3 * early);
  });
});
