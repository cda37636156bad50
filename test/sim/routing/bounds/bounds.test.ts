// The limits: nothing beats the bound, and who knows everything does better than who counts connections.
import { describe, expect, it } from "vitest";
import { noContention } from "../../../../src/sim/routing/bounds/no-contention.ts";
import { ROUTERS } from "../../../../src/sim/routing/routers.ts";
import { simulate } from "../../../../src/sim/routing/run.ts";
import { SCENARIOS } from "../../../../src/sim/routing/scenarios.ts";
import type { ScenarioName } from "../../../../src/sim/routing/scenarios.ts";
import { openTraces } from "../../../../src/sim/routing/trace-files.ts";

const traces = openTraces("no such folder");
const FIRST_MS = 600_000;

function run(name: ScenarioName, router: string) {
  const scenario = SCENARIOS[name];
  const { fleet } = scenario;
  const workload = scenario.workload(traces, 1).filter(({ at }) => at < FIRST_MS);
  const make = ROUTERS.get(router);
  if (make === undefined) throw new Error(`no router ${router}`);
  return {
    metrics: simulate({ workload, fleet, router: make, seed: 1 }),
    bound: noContention(workload, fleet),
  };
}

describe.each(["A", "D", "E", "F"] as const)("scenario %s", (name) => {
  it("lets nobody beat the no-contention bound", () => {
    for (const router of ["clairvoyant", "least_connections"]) {
      const { metrics, bound } = run(name, router);
      expect(metrics.ttftMs.mean).toBeGreaterThan(bound.ttftMs.mean);
      expect(metrics.completionMs.p50).toBeGreaterThan(bound.completionMs.p50);
    }
  });

  it("lets the clairvoyant serve everybody, and sooner than by counting connections", () => {
    const [knowing, counting] = ["clairvoyant", "least_connections"].map((router) => run(name, router).metrics);
    expect(knowing?.unfinished).toBe(0);
    expect(knowing?.completionMs.mean ?? Infinity).toBeLessThan(counting?.completionMs.mean ?? 0);
    expect(knowing?.ttftMs.mean ?? Infinity).toBeLessThan(counting?.ttftMs.mean ?? 0);
  });
});
