// `npm run test:routing`: every scenario under every policy beside its targets; ends with 1 when a claimed target fails.
import { parseArgs } from "node:util";
import { headlineAt } from "../../src/sim/routing/headline.ts";
import { allAskTooMuch, politeBesideFlood } from "../../src/sim/routing/trials/fairness.ts";
import { disturbances } from "../../src/sim/routing/trials/disturbance.ts";
import { lightLoad } from "../../src/sim/routing/trials/light-load.ts";
import { joinOne, killOne } from "../../src/sim/routing/trials/failure.ts";
import { alignColumns, printChecks, printHeadline, printScenario } from "../../src/sim/routing/report.ts";
import { CLAIRVOYANT, PEER_NAMES, ROUTERS } from "../../src/sim/routing/routers.ts";
import { SCENARIOS } from "../../src/sim/routing/scenarios.ts";
import type { Scenario } from "../../src/sim/routing/scenarios.ts";
import { runSuite } from "../../src/sim/routing/suite.ts";
import { checkHeadline, checkOverall, checkScenario } from "../../src/sim/routing/targets.ts";
import type { Check } from "../../src/sim/routing/targets.ts";
import { openTraces } from "../../src/sim/routing/trace-files.ts";
import { compareSockets } from "./sockets.ts";

const TRACES = process.env["HIVE_TRACES"] ?? new URL("../../../shared/traces", import.meta.url).pathname;
const SEEDS = [1, 2, 3];
const OURS = ROUTERS.has("predicted_latency") ? "predicted_latency" : "least_connections";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    scenario: { type: "string", multiple: true },
    sockets: { type: "boolean", default: false },
    policy: { type: "string", multiple: true },
    traces: { type: "string", default: TRACES },
  },
});
if (values.sockets) {
  const { text, checks: compared } = await compareSockets();
  console.log(`${text}\n${printChecks(compared)}`);
  process.exit(compared.every(({ met: done }) => done) ? 0 : 1);
}
const startedAt = performance.now();
const traces = openTraces(values.traces);
const seeds = values.quick ? [1] : SEEDS;
const scenarios = Object.values(SCENARIOS).filter(({ name }) => values.scenario?.includes(name) ?? true);
const routers = values.policy ?? [OURS, "least_connections", ...PEER_NAMES, CLAIRVOYANT];
console.log(
  `${traces.recorded ? "recorded traces" : `GENERATED workloads, for ${values.traces} has no traces`}, seeds ${seeds.join(", ")}, seconds\n`,
);

const checks: Check[] = [];
const tell = (found: readonly Check[]): void => {
  checks.push(...found);
  console.log(printChecks(found));
};
const all: readonly Scenario[] = scenarios;
const results = runSuite({ scenarios: all, routers: [...new Set(routers)], seeds, traces }, (result) => {
  console.log(printScenario(result));
  tell(checkScenario(result, OURS));
});
if (results.length === Object.keys(SCENARIOS).length) tell(checkOverall(results, OURS));

const router = ROUTERS.get(OURS);
if (router !== undefined && values.scenario === undefined) {
  for (const [measure, wanted] of [
    ["slotsBusy", 0.7],
    ["busy", 0.7],
    ["slowdown", 1.6],
  ] as const) {
    const headline = headlineAt(measure, wanted, { traces, router, seeds });
    console.log(printHeadline(headline));
    if (measure === "slotsBusy") tell(checkHeadline(headline));
  }
}

if (router !== undefined && values.scenario === undefined) {
  for (const trial of [killOne, joinOne, politeBesideFlood, allAskTooMuch, disturbances, lightLoad]) {
    const { title, rows, checks: found } = trial({ traces, seeds, router });
    console.log(`${title}\n${alignColumns(rows)}`);
    tell(found);
  }
}

const missed = checks.filter(({ met }) => !met);
console.log(`${OURS}: ${checks.length - missed.length} of ${checks.length} targets met, ${missed.length} missed`);
console.log(`${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
// The targets are for the recorded traces and all seeds: anything less is a look, not a verdict.
const isVerdict = traces.recorded && !values.quick;
process.exitCode = missed.length > 0 && isVerdict ? 1 : 0;
