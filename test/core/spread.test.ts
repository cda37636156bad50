// Loading ahead: where there is room, what is asked for, one at a time, and nothing has to leave for it.
import { describe, expect, it } from "vitest";
import type { Effect } from "../../src/core/fleet.ts";
import { FleetDriver, MODEL, OTHER, aModel, aRunning } from "./builders.ts";

const GB = 1e9;
const HAS_BOTH = { models: [aModel(MODEL, { sizeBytes: 5 * GB }), aModel(OTHER, { sizeBytes: 9 * GB })] };

function orders(effects: readonly Effect[]): unknown[] {
  return effects.flatMap((effect) => (effect.type === "order" ? [{ on: effect.hostId, ...effect.order }] : []));
}

/** A host that serves, and another that idles cold; some requests for a model. */
function demanding(model: string, times: number, settings = {}, part = {}): FleetDriver {
  const driver = new FleetDriver({ policy: "predicted_latency", ...settings });
  driver.at(6_000);
  driver.join("busy", { ...HAS_BOTH, running: [aRunning(MODEL), aRunning(OTHER)] });
  driver.join("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB });
  for (let index = 0; index < times; index += 1) {
    driver.acquire(`${index}`, { model, pinnedHost: "busy", ...part });
    driver.now += 100;
    driver.settle(`${index}`);
  }
  return driver;
}

describe("a model that is asked for", () => {
  it("is loaded ahead where there is room, once", () => {
    const driver = demanding(MODEL, 3);
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([
      { on: "cold", type: "load", model: MODEL },
    ]);
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
  });

  it("is loaded with the options it is asked for with", () => {
    const driver = demanding(MODEL, 3, {}, { runner: "num_ctx=8192", numCtx: 8_192 });
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([
      { on: "cold", type: "load", model: MODEL, runner: "num_ctx=8192" },
    ]);
  });

  it("is not loaded for a single request, or where it is already", () => {
    expect(orders(demanding(MODEL, 1).beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
    expect(orders(demanding(MODEL, 3).beat("busy", { ...HAS_BOTH, running: [aRunning(MODEL)] }))).toEqual([]);
  });

  it("is not loaded where something would have to leave, or where nobody knows whether", () => {
    expect(orders(demanding(OTHER, 3).beat("cold", { ...HAS_BOTH, vramFreeBytes: 10 * GB }))).toEqual([]);
    const running = [aRunning("registry.ollama.ai/library/third:latest")];
    expect(orders(demanding(MODEL, 3).beat("cold", { ...HAS_BOTH, running }))).toEqual([]);
    expect(orders(demanding(MODEL, 3).beat("cold", { ...HAS_BOTH }))).toHaveLength(1);
  });

  it("is not loaded on a host that loads, is drained, or whose Ollama is away", () => {
    const loading = [{ model: OTHER, runner: "", elapsedMs: 500, waiting: 1 }];
    expect(orders(demanding(MODEL, 3).beat("cold", { ...HAS_BOTH, loading }))).toEqual([]);
    const driver = demanding(MODEL, 3);
    driver.send({ type: "host-drained", hostId: "cold", drained: true });
    expect(orders(driver.beat("cold", HAS_BOTH))).toEqual([]);
    expect(orders(demanding(MODEL, 3).beat("cold", { ...HAS_BOTH, backend: "down" }))).toEqual([]);
  });

  it("is not loaded again once somebody has had it unloaded, nor for requests that unload it themselves", () => {
    const driver = demanding(MODEL, 3);
    driver.send({ type: "model-unwanted", model: MODEL });
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
    const passing = demanding(MODEL, 9, {}, { unloads: true });
    expect(orders(passing.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
  });

  it("is left where it is when the fleet is told not to spread", () => {
    const driver = demanding(MODEL, 3, { spreads: false });
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
  });

  it("is forgotten two minutes later", () => {
    const driver = demanding(MODEL, 3);
    driver.now += 240_000;
    driver.beat("busy", { ...HAS_BOTH, running: [aRunning(MODEL)] });
    expect(orders(driver.beat("cold", { ...HAS_BOTH, vramFreeBytes: 16 * GB }))).toEqual([]);
  });
});
