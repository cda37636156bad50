// Runs scenarios under routers with several seeds, and puts the figures together.
import { noContention } from "./bounds/no-contention.ts";
import type { Metrics, Spread } from "./metrics.ts";
import { ROUTERS } from "./routers.ts";
import { simulate } from "./run.ts";
import type { Scenario } from "./scenarios.ts";
import type { Traces } from "./trace-files.ts";

/** Means over the seeds of what each run measured. */
export interface Figures {
  readonly ttft: Spread;
  readonly completion: Spread;
  readonly hitPercent: number;
  readonly loadsPerHour: number;
  readonly served: number;
  /** Refused, broken off or without an end. */
  readonly unserved: number;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  /** By name of the router. */
  readonly figures: ReadonlyMap<string, Figures>;
  /** What no router can beat. */
  readonly bound: Pick<Figures, "ttft" | "completion">;
}

export interface SuiteSpec {
  readonly scenarios: readonly Scenario[];
  readonly routers: readonly string[];
  readonly seeds: readonly number[];
  readonly traces: Traces;
}

/** Runs everything; `told` hears of each scenario as soon as it is through. */
export function runSuite(spec: SuiteSpec, told: (result: ScenarioResult) => void = () => undefined): ScenarioResult[] {
  return spec.scenarios.map((scenario) => {
    const result = runScenario(scenario, spec);
    told(result);
    return result;
  });
}

function runScenario(scenario: Scenario, { routers, seeds, traces }: SuiteSpec): ScenarioResult {
  const { fleet, name, title } = scenario;
  const runs = new Map<string, Metrics[]>(routers.map((router) => [router, []]));
  const bounds = seeds.map((seed) => {
    const workload = scenario.workload(traces, seed);
    for (const [router, measured] of runs) {
      const make = ROUTERS.get(router);
      if (make === undefined) throw new RangeError(`no router ${router}`);
      measured.push(simulate({ workload, fleet, router: make, seed }));
    }
    return noContention(workload, fleet);
  });
  return {
    scenario: name,
    title,
    figures: new Map([...runs].map(([router, measured]) => [router, summarise(measured)])),
    bound: {
      ttft: meanSpread(bounds.map(({ ttftMs }) => ttftMs)),
      completion: meanSpread(bounds.map(({ completionMs }) => completionMs)),
    },
  };
}

function summarise(runs: readonly Metrics[]): Figures {
  return {
    ttft: meanSpread(runs.map(({ ttftMs }) => ttftMs)),
    completion: meanSpread(runs.map(({ completionMs }) => completionMs)),
    hitPercent: mean(runs.map(({ hitPercent }) => hitPercent)),
    loadsPerHour: mean(runs.map(({ loadsPerHour }) => loadsPerHour)),
    served: mean(runs.map(({ served }) => served)),
    unserved: mean(runs.map(unservedOf)),
  };
}

function unservedOf({ refused, broken, unfinished }: Metrics): number {
  return Object.values(refused).reduce((sum, count) => sum + count, broken + unfinished);
}

function meanSpread(spreads: readonly Spread[]): Spread {
  return {
    mean: mean(spreads.map((spread) => spread.mean)),
    p50: mean(spreads.map((spread) => spread.p50)),
    p95: mean(spreads.map((spread) => spread.p95)),
    p99: mean(spreads.map((spread) => spread.p99)),
  };
}

/** The arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
