// Seconds against seconds: when a host is taken, and when a busy one is waited for.
import { describe, expect, it } from "vitest";
import { predictedLatency } from "../../../src/core/policy/predicted-latency.ts";
import { FleetDriver, MODEL, aModel, grantIn } from "../builders.ts";
import { candidate, tally } from "./policy.case.ts";

function costing(hostId: string, seconds: number, freeSlots = 1) {
  return candidate(hostId, { freeSlots, cost: seconds });
}

function chosen(among: Parameters<typeof predictedLatency.choose>[0], waitedMs = 0): string | undefined {
  return among[predictedLatency.choose(among, { random: () => 0, waitedMs }).index]?.hostId;
}

describe("predicted_latency", () => {
  it("takes the cheapest host, whoever runs the fewest requests", () => {
    const slow = { ...costing("idle", 9), active: 0, loaded: true };
    expect(chosen([slow, { ...costing("busy", 3), active: 5 }])).toBe("busy");
  });

  it("takes a free host that costs up to 1.6 times as much as a busy one", () => {
    expect(chosen([costing("free", 4.7), costing("busy", 3, 0)])).toBe("free");
  });

  it("waits for a busy host that is far cheaper, even with the wait", () => {
    expect(chosen([costing("free", 5), costing("busy", 3, 0)])).toBe("busy");
  });

  it("waits no longer than two seconds, or twice what waiting was to save", () => {
    expect(chosen([costing("free", 5), costing("busy", 3, 0)], 4_001)).toBe("free");
    expect(chosen([costing("free", 2.55), costing("busy", 1.55, 0)], 1_999)).toBe("busy");
    expect(chosen([costing("free", 2.55), costing("busy", 1.55, 0)], 2_001)).toBe("free");
  });

  it("waits when no host is free, however long it has waited", () => {
    expect(chosen([costing("a", 5, 0), costing("b", 3, 0)], 60_000)).toBe("b");
  });

  it("says what each part costs, and the parts add up", () => {
    const driver = new FleetDriver({ policy: "predicted_latency" });
    driver.at(6_000);
    driver.join("a", { models: [aModel(MODEL, { sizeBytes: 5e9 })] });
    const { candidates } = grantIn(driver.acquire("1", { promptBytes: 4_000 })).decision;
    const { load = 0, prefill = 0, decode = 0, doubt = 0, total, ...rest } = candidates[0]?.parts ?? {};
    expect(Object.values(rest)).toEqual(Object.values(rest).map(() => 0));
    expect(Math.min(load, prefill, decode)).toBeGreaterThan(0);
    expect(total).toBeCloseTo(2.5 * (load + prefill) + decode + doubt, 9);
    expect(candidates[0]?.score).toBe(total);
  });

  it("counts connections for requests that name no model", () => {
    const among = [candidate("busy", { active: 2 }), candidate("idle")];
    expect([...tally(predictedLatency, among).keys()]).toEqual(["idle"]);
  });
});
