// The price of a Hive on Cloudflare: the formula by hand, and the README's table as the formula has it.
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { costOf, costTable } from "../../../src/sim/cells/cost.ts";

describe("the cost on Cloudflare", () => {
  it("is the plan alone for what the plan includes", () => {
    const { parts, perMonth } = costOf({ requestsPerMonth: 1e5, hosts: 1, cells: 0, heartbeatSeconds: 5 });
    expect(perMonth).toBe(5);
    expect(Object.values(parts).filter((part) => part > 0)).toEqual([5]);
  });

  it("is counted as by hand for 100 million requests on 200 hosts", () => {
    const { parts, perMonth, perMillionRequests } = costOf({
      requestsPerMonth: 100e6,
      hosts: 200,
      cells: 1,
      heartbeatSeconds: 5,
    });
    // 200 hosts send 200 * 2,592,000 / 5 = 103.68 million heartbeats.
    expect(parts.workerRequests).toBeCloseTo((100 + 103.68 - 10) * 0.3, 6);
    expect(parts.workerCpuMs).toBeCloseTo((200 + 103.68 - 30) * 0.02, 6);
    expect(parts.objectRequests).toBeCloseTo((200 + 103.68 - 1) * 0.15, 6);
    // Cell and directory, 0.128 GB each for 2,592,000 s.
    expect(parts.objectGbSeconds).toBeCloseTo((2 * 0.128 * 2.592 - 0.4) * 12.5, 6);
    expect(parts.rowsWritten).toBeCloseTo(50, 6);
    expect(perMonth).toBeCloseTo(5 + 58.104 + 5.4736 + 45.402 + 3.2944 + 50, 4);
    expect(perMillionRequests).toBeCloseTo(perMonth / 100, 6);
  });

  it("halves what heartbeats cost when they come half as often", () => {
    const load = { requestsPerMonth: 100e6, hosts: 200, cells: 1 };
    const [often, seldom] = [5, 10].map((heartbeatSeconds) => costOf({ ...load, heartbeatSeconds }).perMonth);
    expect((often ?? 0) - (seldom ?? 0)).toBeCloseTo(51.84 * (0.3 + 0.02 + 0.15), 6);
  });

  it("stands in the README as the formula has it", async () => {
    const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
    expect(readme).toContain(costTable());
    expect(readme).toContain(
      `$${costOf({ requestsPerMonth: 1e9, hosts: 1, cells: 1, heartbeatSeconds: 5 }).nextMillion.toFixed(2)}`,
    );
  });
});
