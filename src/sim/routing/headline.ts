// The headline: what more hosts do to completion times, at stated loads of a single one.
import { MODEL_KINDS } from "./calibration.ts";
import { buildFleet } from "./fleets.ts";
import type { FleetName } from "./fleets.ts";
import { spreadOf } from "./metrics.ts";
import type { MakeRouter } from "./router.ts";
import { observe } from "./run.ts";
import type { Result } from "./run.ts";
import { mean } from "./suite.ts";
import type { Traces } from "./trace-files.ts";
import { thinSessions } from "./traces.ts";
import type { Workload } from "./traces.ts";

const SLOTS = 4;
const CONTEXT = 8_192;
const FLEETS_BY_SIZE = { 1: "single", 2: "pair", 4: "four" } as const satisfies Record<number, FleetName>;
type Size = keyof typeof FLEETS_BY_SIZE;
/** Halvings of the interval in which the load is looked for. */
const SEARCH_STEPS = 9;

/** How a load of a single host is told. */
export interface LoadPoint {
  readonly requestsPerSecond: number;
  /** Part of the time in which the single host works at all. */
  readonly busy: number;
  /** Part of its slots that are in use, on average. */
  readonly slotsBusy: number;
  /** Its completion time as a multiple of that without any other request. */
  readonly slowdown: number;
}

export interface Headline {
  readonly about: string;
  readonly load: LoadPoint;
  readonly completionMs: Readonly<Record<Size, number>>;
  readonly ttftMs: Readonly<Record<Size, number>>;
}

/** Finds a load of a single host by one of its measures, and runs one, two and four hosts at it. */
export function headlineAt(
  measure: Exclude<keyof LoadPoint, "requestsPerSecond">,
  wanted: number,
  { traces, router, seeds }: { traces: Traces; router: MakeRouter; seeds: readonly number[] },
): Headline {
  const all = traces.azure();
  const unloadedMs = completionOf(runOn("single", apart(all), router, 1));
  const pointAt = (keep: number): LoadPoint => {
    const points = seeds.map((seed) => {
      const workload = thinSessions(all, keep, seed);
      return loadOf(workload, runOn("single", workload, router, seed), unloadedMs);
    });
    return meanPoint(points);
  };
  let [low, high] = [0.01, 0.3];
  for (let step = 0; step < SEARCH_STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (pointAt(middle)[measure] < wanted) low = middle;
    else high = middle;
  }
  const keep = (low + high) / 2;
  const at = (size: Size, of: (result: Result) => number): number => {
    return mean(seeds.map((seed) => of(runOn(FLEETS_BY_SIZE[size], thinSessions(all, keep, seed), router, seed))));
  };
  const ttft = ({ metrics }: Result): number => metrics.ttftMs.mean;
  return {
    about: `${measure} ${wanted}`,
    load: pointAt(keep),
    completionMs: { 1: at(1, completionOf), 2: at(2, completionOf), 4: at(4, completionOf) },
    ttftMs: { 1: at(1, ttft), 2: at(2, ttft), 4: at(4, ttft) },
  };
}

function runOn(fleet: FleetName, workload: Workload, router: MakeRouter, seed: number): Result {
  const hosts = buildFleet(fleet, SLOTS, [MODEL_KINDS["llama3:8b"]], CONTEXT);
  return observe({ workload, fleet: hosts, router, seed });
}

function completionOf({ metrics }: Result): number {
  return metrics.completionMs.mean;
}

/** A sample of the requests, each long after the one before. */
function apart(workload: Workload): Workload {
  const step = Math.ceil(workload.length / 200);
  return workload.filter((_, index) => index % step === 0).map((item, index) => ({ ...item, at: index * 120_000 }));
}

function loadOf(workload: Workload, { observations, metrics }: Result, unloadedMs: number): LoadPoint {
  const spans = observations
    .map(({ at, queuedMs, completionMs }) => [at + queuedMs, at + completionMs] as const)
    .sort(([a], [b]) => a - b);
  let [busyMs, until, occupiedMs] = [0, 0, 0];
  for (const [from, to] of spans) {
    occupiedMs += to - from;
    busyMs += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  const spanMs = Math.max(1, until - (workload[0]?.at ?? 0));
  return {
    requestsPerSecond: (1000 * workload.length) / spanMs,
    busy: busyMs / spanMs,
    slotsBusy: occupiedMs / spanMs / SLOTS,
    slowdown: metrics.completionMs.mean / unloadedMs,
  };
}

function meanPoint(points: readonly LoadPoint[]): LoadPoint {
  const of = (measure: keyof LoadPoint): number => spreadOf(points.map((point) => point[measure])).mean;
  return {
    requestsPerSecond: of("requestsPerSecond"),
    busy: of("busy"),
    slotsBusy: of("slotsBusy"),
    slowdown: of("slowdown"),
  };
}
