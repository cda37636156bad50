// One workload under several policies, and under each at several loads: what `hive simulate` tables and draws.
import { noContention } from "./bounds/no-contention.ts";
import type { Bound } from "./bounds/no-contention.ts";
import type { HostSpec } from "./host-spec.ts";
import type { Metrics } from "./metrics.ts";
import { ROUTERS } from "./routers.ts";
import { observe, simulate } from "./run.ts";
import type { SimulationSpec } from "./run.ts";
import type { Workload } from "./traces.ts";

export interface ComparisonSpec {
  readonly workload: Workload;
  readonly fleet: readonly HostSpec[];
  /** Names of routers. */
  readonly policies: readonly string[];
  readonly seed: number;
  /** The same at other loads, from the lightest on; none for no sweep. */
  readonly sweep: readonly Workload[];
  /** Told of each decision under the load itself. */
  readonly onDecision?: SimulationSpec["onDecision"];
}

export interface Comparison {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly results: readonly PolicyResult[];
  readonly sweep: readonly SweepPoint[];
  /** What no policy can beat. */
  readonly bound: Bound;
}

export interface PolicyResult {
  readonly name: string;
  readonly metrics: Metrics;
  /** Times to first token, ms, rising. */
  readonly ttftMs: readonly number[];
}

export interface SweepPoint {
  readonly requestsPerSecond: number;
  /** Mean completion, ms, by policy. */
  readonly completionMs: Readonly<Record<string, number>>;
}

/** A mean completion of so many times that under the lightest load is no steady state any more. */
const OVERRUN = 4;

/** Runs everything; the same spec gives the same comparison. */
export function compare(spec: ComparisonSpec): Comparison {
  const { workload, fleet, policies } = spec;
  const results = policies.map((name) => {
    const { metrics, observations } = observe({ ...spec, router: routerOf(name) });
    return { name, metrics, ttftMs: observations.map(({ ttftMs }) => ttftMs).sort((a, b) => a - b) };
  });
  const points = runSweep(spec);
  const bound = noContention(workload, fleet);
  return { requests: workload.length, requestsPerSecond: rateOf(workload), results, sweep: points, bound };
}

/** From the lightest load on, until even the first policy is overrun. */
function runSweep({ sweep, policies, fleet, seed }: ComparisonSpec): SweepPoint[] {
  const points: SweepPoint[] = [];
  for (const workload of sweep) {
    const means = policies.map((name) => {
      return [name, simulate({ fleet, seed, workload, router: routerOf(name) }).completionMs.mean] as const;
    });
    points.push({ requestsPerSecond: rateOf(workload), completionMs: Object.fromEntries(means) });
    const [now, first] = [means[0]?.[1] ?? 0, Object.values(points[0]?.completionMs ?? {})[0] ?? 0];
    if (now > first * OVERRUN) break;
  }
  return points;
}

function routerOf(name: string) {
  const router = ROUTERS.get(name);
  if (router === undefined) throw new RangeError(`no policy ${name}`);
  return router;
}

function rateOf(workload: Workload): number {
  const spanMs = (workload.at(-1)?.at ?? 0) - (workload[0]?.at ?? 0);
  return spanMs === 0 ? 0 : (1000 * workload.length) / spanMs;
}
