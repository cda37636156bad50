// The table of results: a line each, columns under their heads.
import { describe, expect, it } from "vitest";
import { measure } from "../../../src/sim/routing/metrics.ts";
import { printTable } from "../../../src/sim/routing/table.ts";

const WHO = { id: "r", at: 0, tenant: "a", model: "m", hostId: "h" };
const OBSERVED = {
  ...WHO,
  queuedMs: 0,
  loadMs: 0,
  promptTokens: 100,
  cachedTokens: 25,
  outputTokens: 1,
  gpuSeconds: 1,
};

describe("the table of results", () => {
  it("prints seconds, shares and counts of each result under their heads", () => {
    const metrics = measure([{ ...OBSERVED, ttftMs: 1_500, completionMs: 4_250 }], {
      refused: { queue_timeout: 2, queue_full: 1 },
      broken: 0,
      left: 0,
      unfinished: 0,
      loadsPerHour: 12,
    });
    const lines = printTable([{ name: "least_connections", metrics }])
      .trimEnd()
      .split("\n");
    const [head = "", row = ""] = lines.map((line) => line.split(/ {2,}/));
    expect(lines.map(({ length }) => length)).toEqual([lines[0]?.length, lines[0]?.length]);
    const at = (name: string): string | undefined => row[head.indexOf(name)];
    expect(
      ["policy", "ttft mean", "done p99", "loads/h", "hit %", "jain", "served", "refused", "open"].map(at),
    ).toEqual(["least_connections", "1.50", "4.25", "12.0", "25.0", "1.00", "1", "3", "0"]);
  });
});
