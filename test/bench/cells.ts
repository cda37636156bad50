// Many cells in virtual time: 10,000 hosts and a million clients in 64 cells, beside 16, 4 and one of the same size.
import { CellsRun } from "../../src/sim/cells/run.ts";
import type { CellsResult } from "../../src/sim/cells/run.ts";

const SEED = 7;
const results: { result: CellsResult; seconds: number }[] = [];
console.log(
  `seed ${SEED}; per cell 157 hosts of 4 slots, 15,625 clients who think 115 s and are served in 4 s, on average`,
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
  results.push({ result: run.run(), seconds: (performance.now() - startedAt) / 1000 });
}
const perCell = results[0]?.result.completedPerSecond ?? Number.NaN;
for (const { result, seconds } of results) {
  const { cells, hosts, clients, completedPerSecond, refused, spilled, callsPerRequest, waitP99Ms, busiest } = result;
  const linear = completedPerSecond / (cells * perCell);
  console.log(
    `${cells} cells, ${hosts} hosts, ${clients} clients: ${completedPerSecond.toFixed(0)} requests/s (${(linear * 100).toFixed(1)} % of linear), spill ${(spilled * 100).toFixed(2)} %, ${callsPerRequest.toFixed(3)} calls per request, ${refused} refused, p99 wait ${waitP99Ms.toFixed(0)} ms, busiest cell ${(busiest * 100).toFixed(1)} % (${seconds.toFixed(0)} s)`,
  );
}
