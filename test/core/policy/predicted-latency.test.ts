// Seconds against seconds: when a host is taken, and when a busy one is waited for.
import { describe, expect, it } from "vitest";
import type { Forecast } from "../../../src/core/forecast.ts";
import { predictedLatency } from "../../../src/core/policy/predicted-latency.ts";
import { candidate, tally } from "./policy.case.ts";

const IDLE: Forecast = { wait: 0, load: 0, owed: 0, prefill: 0, decode: 0, harm: 0, doubt: 0, cached: 0, total: 0 };

function costing(hostId: string, seconds: number, freeSlots = 1) {
  return candidate(hostId, { freeSlots, forecast: { ...IDLE, total: seconds } });
}

function chosen(among: Parameters<typeof predictedLatency.choose>[0], waitedMs = 0): string | undefined {
  return among[predictedLatency.choose(among, { random: () => 0, waitedMs }).index]?.hostId;
}

describe("predicted_latency", () => {
  it("takes the cheapest host, whoever runs the fewest requests", () => {
    const slow = { ...costing("idle", 9), active: 0, loaded: true };
    expect(chosen([slow, { ...costing("busy", 3), active: 5 }])).toBe("busy");
  });

  it("takes a free host that costs up to 1.4 times as much as a busy one", () => {
    expect(chosen([costing("free", 4.1), costing("busy", 3, 0)])).toBe("free");
  });

  it("waits for a busy host that is far cheaper, even with the wait", () => {
    expect(chosen([costing("free", 5), costing("busy", 3, 0)])).toBe("busy");
  });

  it("waits no longer than two seconds, or twice what waiting was to save", () => {
    expect(chosen([costing("free", 5), costing("busy", 3, 0)], 4_001)).toBe("free");
    expect(chosen([costing("free", 3), costing("busy", 2, 0)], 1_999)).toBe("busy");
    expect(chosen([costing("free", 3), costing("busy", 2, 0)], 2_001)).toBe("free");
  });

  it("waits when no host is free, however long it has waited", () => {
    expect(chosen([costing("a", 5, 0), costing("b", 3, 0)], 60_000)).toBe("b");
  });

  it("says what each part costs", () => {
    const forecast = {
      wait: 1,
      load: 2,
      owed: 0.5,
      prefill: 0.25,
      decode: 4,
      harm: 0.1,
      doubt: 0,
      cached: 64,
      total: 11.6,
    };
    const { scores } = predictedLatency.choose([candidate("a", { forecast })], { random: () => 0 });
    expect(scores).toEqual([{ score: 11.6, parts: forecast }]);
  });

  it("counts connections for requests that name no model", () => {
    const among = [candidate("busy", { active: 2 }), candidate("idle")];
    expect([...tally(predictedLatency, among).keys()]).toEqual(["idle"]);
  });
});
