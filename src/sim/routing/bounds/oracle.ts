// What a request truly costs on a host, ms: the state of the simulated host itself, run ahead.
import { loadMs, runnerBytes } from "../calibration.ts";
import type { ModelKind } from "../calibration.ts";
import type { FleetHost } from "../fleet-host.ts";
import type { Routed, World } from "../router.ts";
import { Runner, taskOf } from "../runner.ts";
import type { Outlook, TaskLeft } from "../runner.ts";
import { forecast } from "./outlook.ts";

const EVICTION_MS = 1_000;
const OFFLOAD_SLOWDOWN = 7;
const DEMAND_MS = 120_000;
/** A model asked for within this time of its eviction is loaded again. */
const RELOAD_HORIZON_MS = 60_000;

/** What is asked of a model, per ms, fading. */
export interface Demand {
  readonly perMs: number;
  readonly at: number;
}

export interface Cost {
  /** Whether a slot is free. */
  readonly free: boolean;
  readonly costMs: number;
}

export class Oracle {
  readonly #world: World;
  readonly #ttftWeight: number;
  /** By host: what was sent there and has not ended. */
  readonly #sent = new Map<string, Map<string, Routed>>();
  readonly #demand = new Map<string, Demand>();

  constructor(world: World, ttftWeight: number) {
    [this.#world, this.#ttftWeight] = [world, ttftWeight];
    for (const id of world.hosts.keys()) this.#sent.set(id, new Map());
  }

  asked({ item: { model } }: Routed): void {
    const at = this.#world.time.now;
    this.#demand.set(model, { perMs: this.#perMs(model) + 1 / DEMAND_MS, at });
  }

  sent(request: Routed, hostId: string): void {
    this.#sent.get(hostId)?.set(request.id, request);
  }

  ended(request: Routed, hostId: string): void {
    this.#sent.get(hostId)?.delete(request.id);
  }

  /** Requests per ms of each model, now. */
  demand(): ReadonlyMap<string, number> {
    return new Map([...this.#demand.keys()].map((model) => [model, this.#perMs(model)]));
  }

  /** The work of a request in the slot it would get. */
  taskOn(host: FleetHost, { item: { model, prompt, outputTokens } }: Routed): TaskLeft {
    const numCtx = this.#contextOn(host, model);
    const runner = host.host.runnerOf(model);
    const whole = prompt.tokens <= numCtx ? runner?.peek(prompt) : undefined;
    const size = {
      promptTokens: Math.min(numCtx, prompt.tokens),
      cachedTokens: whole?.cachedTokens ?? 0,
      outputTokens,
    };
    return taskOf(size, { slot: whole?.slot ?? Infinity, numCtx, extra: 0 });
  }

  /** The rise of everybody's time if a request goes to a host, behind those who wait for it already. */
  cost(request: Routed, host: FleetHost, line: readonly TaskLeft[]): Cost {
    const { item } = request;
    const model = host.host.spec.models.find(({ name }) => name === item.model);
    if (model === undefined) return { free: false, costMs: Infinity };
    const sent = [...(this.#sent.get(host.id)?.values() ?? [])];
    const same = sent.filter((other) => other.item.model === model.name);
    const others = new Set(sent.filter((other) => other.item.model !== model.name).map((other) => other.item.model));
    const runner = host.host.runnerOf(model.name);
    const waitMs = runner === undefined ? this.#loadMs(host, model) : 0;
    const outlook = runner?.outlook() ?? this.#coldOutlook(host, model, same);
    const share = 1 / (1 + others.size);
    const without = forecast(outlook, share, line);
    const withIt = forecast(outlook, share, [...line, this.taskOn(host, request)]);
    const { othersFirstTokenMs: first, othersFinishedMs: all } = total(without);
    const weight = this.#ttftWeight;
    const own = waitMs + withIt.finishedMs + weight * (waitMs + withIt.firstTokenMs);
    const harm = withIt.othersFinishedMs - all + weight * (withIt.othersFirstTokenMs - first);
    const beside = others.size * 0.5 * (withIt.finishedMs - withIt.firstTokenMs);
    const free = same.length + line.length < outlook.parallel;
    return { free, costMs: own + harm + beside + (runner === undefined ? this.#reloadMs(host, model) : 0) };
  }

  #contextOn({ host }: FleetHost, name: string): number {
    const model = host.spec.models.find((other) => other.name === name);
    return this.#world.rules.numCtx ?? (model === undefined ? 0 : host.contextOf(model));
  }

  #perMs(model: string): number {
    const known = this.#demand.get(model);
    return known === undefined ? 0 : known.perMs * Math.exp((known.at - this.#world.time.now) / DEMAND_MS);
  }

  /** Requests that wait for a load are all to be read when it ends. */
  #coldOutlook(host: FleetHost, model: ModelKind, same: readonly Routed[]): Outlook {
    const numCtx = this.#contextOn(host, model.name);
    const { kind, parallel: most, hostCacheBytes = 0 } = host.host.spec;
    const parallel = model.serial === true ? 1 : most;
    const fits = runnerBytes(model, parallel, numCtx) <= kind.memoryBytes;
    const slowdown = fits ? 1 : OFFLOAD_SLOWDOWN;
    const cold = new Runner({ host: kind, model, parallel, numCtx, hostCacheBytes, slowdown }).outlook();
    return { ...cold, tasks: same.map((request, slot) => ({ ...this.taskOn(host, request), slot })) };
  }

  /** Until the model is in memory: the load now running, those ahead, a victim's last requests, its own. */
  #loadMs(host: FleetHost, model: ModelKind): number {
    const { host: simulated } = host;
    const { kind, models } = simulated.spec;
    const { loadingUntil, pendingModels } = simulated;
    const read = (one: ModelKind): number => loadMs(kind, one, simulated.hasInPageCache(one));
    const running = loadingUntil === undefined ? 0 : loadingUntil - this.#world.time.now;
    const beingLoaded = loadingUntil === undefined ? undefined : pendingModels[0];
    if (beingLoaded === model.name) return running;
    let ms = running + read(model);
    for (const ahead of models) {
      if (ahead.name === model.name || ahead.name === beingLoaded || !pendingModels.includes(ahead.name)) continue;
      ms += read(ahead) + EVICTION_MS;
    }
    const victim = simulated.victimFor(model, this.#contextOn(host, model.name));
    const runner = victim === undefined ? undefined : simulated.runnerOf(victim);
    if (runner === undefined) return ms;
    const drain = forecast(runner.outlook(), 1);
    return ms + EVICTION_MS + drain.othersFinishedMs / Math.max(1, runner.running);
  }

  /** A victim that is asked for is loaded again. */
  #reloadMs(host: FleetHost, model: ModelKind): number {
    const { host: simulated } = host;
    const victim = simulated.victimFor(model, this.#contextOn(host, model.name));
    const gone = simulated.spec.models.find(({ name }) => name === victim);
    if (gone === undefined) return 0;
    const likely = 1 - Math.exp(-this.#perMs(gone.name) * RELOAD_HORIZON_MS);
    return likely * (loadMs(simulated.spec.kind, gone, true) + EVICTION_MS);
  }
}

/** Without a newcomer the last in line counts as one of the others. */
function total(without: ReturnType<typeof forecast>): { othersFirstTokenMs: number; othersFinishedMs: number } {
  const alone = without.finishedMs === Infinity;
  return {
    othersFirstTokenMs: without.othersFirstTokenMs + (alone ? 0 : without.firstTokenMs),
    othersFinishedMs: without.othersFinishedMs + (alone ? 0 : without.finishedMs),
  };
}
