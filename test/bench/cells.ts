// Many cells in virtual time: 10,000 hosts and a million clients in 64 cells, beside 16, 4 and one of the same size.
import { CellsRun } from "../../src/sim/cells/run.ts";
import type { CellsResult } from "../../src/sim/cells/run.ts";

const SEED = 7;
let perCell = Number.NaN;
console.log(
  `seed ${SEED}; per cell 157 hosts of 4 slots and 15,625 clients who think 115 s and are served in 4 s on average`,
);
for (const cells of [1, 4, 16, 64]) {
  const startedAt = performance.now();
  const run = new CellsRun({
    seed: SEED,
    cells,
    hostsPerCell: 157,
    clientsPerCell: 15_625,
    thinkMs: 115_000,
    serviceMs: 4_000,
    warmUpMs: 12_000,
    measuredMs: 12_000,
  });
  const result = run.run();
  if (cells === 1) perCell = result.completedPerSecond;
  print(result, (performance.now() - startedAt) / 1000);
}

function print(result: CellsResult, seconds: number): void {
  const { cells, hosts, clients, completedPerSecond, refused, spilled, callsPerRequest, waitP99Ms, busiest } = result;
  const percent = (share: number, digits: number): string => `${(share * 100).toFixed(digits)} %`;
  const throughput = `${completedPerSecond.toFixed(0)} requests/s, ${percent(completedPerSecond / (cells * perCell), 1)} of linear`;
  const ways = `${percent(spilled, 2)} served in another region, ${callsPerRequest.toFixed(3)} cell calls before the first byte`;
  const waits = `${refused} refused, p99 wait ${waitP99Ms.toFixed(0)} ms, busiest cell's thread ${percent(busiest, 1)}`;
  console.log(
    `${cells} cells, ${hosts} hosts, ${clients} clients: ${throughput}, ${ways}, ${waits} (${seconds.toFixed(0)} s)`,
  );
}
