// The numbers of a run are what their names say.
import { describe, expect, it } from "vitest";
import { jainIndex, spreadOf } from "../../../src/sim/routing/metrics.ts";

describe("metrics", () => {
  it("takes percentiles by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(spreadOf(values)).toEqual({ mean: 50.5, p50: 50, p95: 95, p99: 99 });
    expect(spreadOf([7])).toEqual({ mean: 7, p50: 7, p95: 7, p99: 7 });
    expect(spreadOf([])).toEqual({ mean: 0, p50: 0, p95: 0, p99: 0 });
  });

  it("rates equal shares 1 and one share of n at 1/n", () => {
    expect(jainIndex([3, 3, 3])).toBeCloseTo(1);
    expect(jainIndex([3, 0, 0])).toBeCloseTo(1 / 3);
    expect(jainIndex([])).toBe(1);
  });
});
