// What Hive adds to a request: latency and throughput through edge, cell and agent, beside a direct connection in the same run.
// All on one machine: the load, workerd, two agents and two simulated hosts share its cores. Ratios count, not absolutes.
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import { runLoad } from "./load.ts";
import type { LoadResult } from "./load.ts";

const ROUNDS = 3;
const model = simulatedModel({ name: "instant", answerTokens: 4 });
const fleet = await startFleet({ HEARTBEAT_INTERVAL: "5s", QUEUE_LIMIT: "10000" });
try {
  for (const id of ["a", "b"]) await fleet.addHost(id, { models: [model], slots: 64, keepRequests: 0 }, 64);
  const direct = fleet.hosts[0]?.ollama.url ?? "";
  for (const stream of [false, true]) {
    const body = JSON.stringify({ model: "instant", stream, messages: [{ role: "user", content: "hi" }] });
    const ways = {
      direct: { url: `${direct}/api/chat`, headers: {} },
      hive: { url: `${fleet.url}/api/chat`, headers: { authorization: `Bearer ${fleet.token}` } },
    };
    for (const way of Object.values(ways)) await runLoad({ ...way, body, connections: 8, requests: 300 });
    for (const [connections, requests] of [
      [1, 400],
      [32, 3_000],
    ] as const) {
      const rounds: { direct: LoadResult; hive: LoadResult }[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const load = { body, connections, requests };
        rounds.push({
          direct: await runLoad({ ...ways.direct, ...load }),
          hive: await runLoad({ ...ways.hive, ...load }),
        });
      }
      print(`${stream ? "streamed" : "unary"}, ${connections} connection${connections === 1 ? "" : "s"}`, rounds);
    }
  }
} finally {
  await fleet.close();
}

function print(what: string, rounds: readonly { direct: LoadResult; hive: LoadResult }[]): void {
  const median = (pick: (round: { direct: LoadResult; hive: LoadResult }) => number) =>
    rounds.map(pick).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  const added = median(({ direct, hive }) => hive.p50Ms - direct.p50Ms);
  const p99 = median(({ hive }) => hive.p99Ms);
  const rate = median(({ hive }) => hive.requestsPerSecond);
  const directRate = median(({ direct }) => direct.requestsPerSecond);
  const failed = rounds.reduce((sum, { hive }) => sum + hive.failed, 0);
  console.log(
    `${what}: added p50 ${added.toFixed(2)} ms, p99 ${p99.toFixed(1)} ms, ${rate.toFixed(0)} req/s (direct ${directRate.toFixed(0)}, ratio ${(rate / directRate).toFixed(3)}), ${failed} failed`,
  );
}
