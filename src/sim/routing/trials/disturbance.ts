// A world that is not as the router believes: late heartbeats, wrong estimates, foreign load, old hosts, clients that leave.
import { MODEL_KINDS } from "../calibration.ts";
import { drawExponential, forkRandom } from "../random.ts";
import { observe } from "../run.ts";
import type { ForeignRequest, SimulationSpec } from "../run.ts";
import { merge, SCENARIOS } from "../scenarios.ts";
import type { Scenario } from "../scenarios.ts";
import { mean } from "../suite.ts";
import type { Metrics } from "../metrics.ts";
import { generateWorkload } from "../workload.ts";
import { seconds } from "./trial.ts";
import type { Trial, TrialSetting } from "./trial.ts";

/** How much of its time a mildly disturbed router may lose. */
const MOST_RATIO = 1.1;
const DURATION_MS = 3_500_000;

type Spec = Pick<SimulationSpec, "workload" | "fleet" | "heartbeatDelayMs" | "tokenNoise" | "foreign">;

interface Disturbance {
  readonly name: string;
  /** Whether little is to be lost by it; the others make the work itself harder. */
  readonly mild: boolean;
  readonly change: (spec: Spec, seed: number) => Spec;
}

const DISTURBANCES: readonly Disturbance[] = [
  { name: "none", mild: true, change: (spec) => spec },
  { name: "heartbeats 2 s late", mild: true, change: (spec) => ({ ...spec, heartbeatDelayMs: 2_000 }) },
  { name: "heartbeats 10 s late", mild: false, change: (spec) => ({ ...spec, heartbeatDelayMs: 10_000 }) },
  { name: "prompt estimates ±15 %", mild: true, change: (spec) => ({ ...spec, tokenNoise: 0.15 }) },
  {
    name: "a tenth of the clients leave",
    mild: true,
    change: (spec, seed) => ({ ...spec, workload: leaving(spec, seed) }),
  },
  { name: "old Ollama on every other host", mild: false, change: (spec) => ({ ...spec, fleet: aged(spec) }) },
  {
    name: "foreign load on two of nine",
    mild: false,
    change: (spec, seed) => ({ ...spec, foreign: strangers(spec, seed) }),
  },
  { name: "embeddings among the chats", mild: false, change: embedding },
];

/** Runs scenario A under each. */
export function disturbances({ traces, seeds, router }: TrialSetting): Trial {
  const scenario: Scenario = SCENARIOS.A;
  const rows: string[][] = [["disturbance", "ttft mean", "ttft p95", "done mean", "of undisturbed", "unserved"]];
  const checks: Trial["checks"][number][] = [];
  let plain: number | undefined;
  for (const { name, mild, change } of DISTURBANCES) {
    const runs = seeds.map((seed): Metrics => {
      const workload = scenario.workload(traces, seed);
      const spec = change({ workload, fleet: scenario.fleet }, seed);
      return observe({ ...spec, router, seed }).metrics;
    });
    const done = mean(runs.map(({ completionMs }) => completionMs.mean));
    plain ??= done;
    const ttft = (of: "mean" | "p95"): string => seconds(mean(runs.map(({ ttftMs }) => ttftMs[of])));
    const lost = mean(
      runs.map(({ unfinished, refused }) => Object.values(refused).reduce((sum, count) => sum + count, unfinished)),
    );
    rows.push([name, ttft("mean"), ttft("p95"), seconds(done), (done / plain).toFixed(2), lost.toFixed(0)]);
    if (lost > 0) checks.push({ id: `disturbed: ${name} lost`, text: `${lost} requests lost (none)`, met: false });
    if (!mild || name === "none") continue;
    const text = `${(done / plain).toFixed(2)} × the undisturbed mean completion (at most ${MOST_RATIO})`;
    checks.push({ id: `disturbed: ${name}`, text, met: done / plain <= MOST_RATIO });
  }
  return { title: "scenario A, disturbed", rows, checks };
}

function leaving({ workload }: Spec, seed: number): Spec["workload"] {
  const random = forkRandom(seed, "patience");
  return workload.map((item) => {
    const patienceMs = 500 + drawExponential(random, 5_000);
    return random() < 0.1 ? { ...item, patienceMs } : item;
  });
}

/** Before 0.30: slots only, no old prompts in host memory. */
function aged({ fleet }: Spec): Spec["fleet"] {
  return fleet.map((host, index) => (index % 2 === 1 ? { ...host, hostCacheBytes: 0 } : host));
}

/** Somebody uses two of the hosts directly, for chats of their own. */
function strangers({ fleet }: Spec, seed: number): ForeignRequest[] {
  const prompts = { type: "chat", promptTokens: 1_000, outputTokens: 200 } as const;
  const models = [MODEL_KINDS["llama3:8b"].name];
  const items = generateWorkload({ seed, durationMs: DURATION_MS, requestsPerSecond: 0.2, models, prompts });
  return items.map((item, index) => ({ item, hostId: fleet[index % 2 === 0 ? 1 : 4]?.id ?? "" }));
}

function embedding(spec: Spec, seed: number): Spec {
  const model = MODEL_KINDS["nomic-embed-text"];
  const prompts = { type: "chat", promptTokens: 4_000, outputTokens: 1 } as const;
  const items = generateWorkload({
    seed,
    durationMs: DURATION_MS,
    requestsPerSecond: 0.5,
    models: [model.name],
    prompts,
  });
  const embeds = items.map((item) => ({
    ...item,
    kind: "embed" as const,
    outputTokens: 1,
    session: `embed ${item.session}`,
  }));
  const fleet = spec.fleet.map((host) => ({ ...host, models: [...host.models, model] }));
  return { ...spec, fleet, workload: merge(spec.workload, embeds) };
}
