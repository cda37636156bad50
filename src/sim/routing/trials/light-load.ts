// Light load: how near completion comes to what a request would take alone on the best host.
import { noContention } from "../bounds/no-contention.ts";
import { CLAIRVOYANT, ROUTERS } from "../routers.ts";
import type { MakeRouter } from "../router.ts";
import { simulate } from "../run.ts";
import { SCENARIOS } from "../scenarios.ts";
import type { Scenario } from "../scenarios.ts";
import { mean } from "../suite.ts";
import { thinSessions } from "../traces.ts";
import type { Check } from "../targets.ts";
import { seconds } from "./trial.ts";
import type { Trial, TrialSetting } from "./trial.ts";

/** Of each scenario's own load. */
const PART = 0.5;
/** Thins with chances of its own, not with those that made the workload. */
const OTHER_SEEDS = 1_000;
const MOST_RATIO = 1.15;

/** Runs every scenario at half its load; where even the clairvoyant cannot come near the bound nothing is claimed. */
export function lightLoad({ traces, seeds, router }: TrialSetting): Trial {
  const knowing = ROUTERS.get(CLAIRVOYANT);
  const scenarios: readonly Scenario[] = Object.values(SCENARIOS);
  const rows: string[][] = [["scenario", "bound", "done mean", "of bound", "clairvoyant of bound"]];
  const checks: Check[] = [];
  for (const { name, fleet, workload } of scenarios) {
    const workloads = seeds.map((seed) => thinSessions(workload(traces, seed), PART, seed + OTHER_SEEDS));
    const bound = mean(workloads.map((items) => noContention(items, fleet).completionMs.mean));
    const doneOf = (make: MakeRouter): number => {
      return mean(
        workloads.map(
          (items, index) =>
            simulate({ workload: items, fleet, router: make, seed: seeds[index] ?? 0 }).completionMs.mean,
        ),
      );
    };
    const done = doneOf(router);
    const least = knowing === undefined ? 0 : doneOf(knowing) / bound;
    rows.push([name, seconds(bound), seconds(done), (done / bound).toFixed(2), least.toFixed(2)]);
    if (least > MOST_RATIO) continue;
    const text = `${(done / bound).toFixed(2)} × the no-contention completion (at most ${MOST_RATIO})`;
    checks.push({ id: `light load ${name}`, text, met: done / bound <= MOST_RATIO });
  }
  return { title: "every scenario at half its load, beside each request alone on its best host", rows, checks };
}
