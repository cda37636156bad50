// Free replicas: a model that is asked for is loaded ahead of time wherever there is room without evicting anything.
import { runnerBytes } from "../calibration.ts";
import type { ModelKind } from "../calibration.ts";
import type { FleetHost } from "../fleet-host.ts";
import type { World } from "../router.ts";

/** Less than one request in so many ms is no demand. */
const LEAST_DEMAND = 1 / 120_000;

/** Orders at most one load per host: of the models with room the one with most demand for the speed it has so far. */
export function spreadModels(world: World, demand: ReadonlyMap<string, number>): void {
  const up = [...world.hosts.values()].filter((host) => host.up);
  for (const host of up) {
    const { host: simulated } = host;
    if (simulated.pendingModels.length > 0) continue;
    const loaded = new Set(simulated.loadedModels.map(({ model }) => model));
    const wanted = simulated.spec.models
      .filter((model) => !loaded.has(model.name) && (demand.get(model.name) ?? 0) >= LEAST_DEMAND)
      .filter((model) => simulated.victimFor(model, simulated.contextOf(model)) === undefined)
      .filter(
        (model) => runnerBytes(model, simulated.spec.parallel, simulated.contextOf(model)) <= simulated.freeBytes,
      );
    const [best] = wanted.sort((a, b) => need(b, up, demand) - need(a, up, demand));
    if (best !== undefined) host.load(best.name, world.rules.keepAliveMs, world.rules.numCtx);
  }
}

/** GPU-seconds asked for, against the speed of the hosts that have the model. */
function need(model: ModelKind, hosts: readonly FleetHost[], demand: ReadonlyMap<string, number>): number {
  const speed = hosts
    .filter(({ host }) => host.loadedModels.some((loaded) => loaded.model === model.name))
    .reduce((sum, { host }) => sum + host.spec.kind.decodePerSecond, 1);
  return ((demand.get(model.name) ?? 0) * model.weightBytes) / speed;
}
