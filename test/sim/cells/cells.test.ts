// Many cells under many clients: throughput grows with the cells, and little is served far away.
import { describe, expect, it } from "vitest";
import { CellsRun } from "../../../src/sim/cells/run.ts";
import type { CellsSpec } from "../../../src/sim/cells/run.ts";
import { layOut, roundTripMs } from "../../../src/sim/cells/world.ts";

const spec: CellsSpec = {
  seed: 3,
  cells: 1,
  hostsPerCell: 40,
  clientsPerCell: 3_000,
  thinkMs: 100_000,
  serviceMs: 4_000,
  warmUpMs: 12_000,
  measuredMs: 30_000,
};

describe("many cells", () => {
  it("serve as many times more as there are cells, within 10 %, and less than 5 % elsewhere", () => {
    const one = new CellsRun(spec).run();
    const four = new CellsRun({ ...spec, cells: 4 }).run();
    expect(four.completedPerSecond / (4 * one.completedPerSecond)).toBeGreaterThan(0.9);
    expect(four.completedPerSecond / (4 * one.completedPerSecond)).toBeLessThan(1.1);
    expect(four.spilled).toBeLessThan(0.05);
    expect(four.callsPerRequest).toBeLessThan(1.05);
    expect(four.refused).toBe(0);
  }, 60_000);

  it("spill where there are not enough slots, instead of refusing", () => {
    const busy = new CellsRun({ ...spec, cells: 4, hostsPerCell: 30, thinkMs: 99_000 }).run();
    expect(busy.spilled).toBeGreaterThan(0.005);
    expect(busy.refused).toBe(0);
  }, 60_000);

  it("run alike under the same seed", () => {
    const short = { ...spec, cells: 2, warmUpMs: 2_000, measuredMs: 2_000 };
    expect(new CellsRun(short).run()).toEqual(new CellsRun(short).run());
  }, 60_000);
});

describe("the world of the simulation", () => {
  it("lays out exactly so many cells, each of a name of its own", () => {
    for (const cells of [1, 4, 16, 64]) expect(new Set(layOut(cells).map(({ name }) => name)).size).toBe(cells);
    expect(new Set(layOut(64).map(({ region }) => region)).size).toBe(11);
  });

  it("keeps a region near to itself and the nearest neighbour nearer than the rest", () => {
    expect(roundTripMs("weur", "weur")).toBeLessThan(roundTripMs("weur", "eeur"));
    expect(roundTripMs("weur", "eeur")).toBeLessThan(roundTripMs("weur", "oc"));
  });
});
