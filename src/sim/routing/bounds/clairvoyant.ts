// The clairvoyant: the decision rule of predicted_latency with true speeds, true cache contents and true output lengths.
import type { FleetHost } from "../fleet-host.ts";
import type { MakeRouter, Routed, Router, World } from "../router.ts";
import type { TaskLeft } from "../runner.ts";
import { Oracle } from "./oracle.ts";
import { spreadModels } from "./replicas.ts";
import type { Timer } from "../virtual-time.ts";

export interface ClairvoyantRule {
  /** How much more the time to the first token counts than the time to the last. */
  readonly ttftWeight: number;
  /** A free host is taken if it costs at most this part more than the best, which is busy. */
  readonly holdMargin: number;
}

export const CLAIRVOYANT_RULE: ClairvoyantRule = { ttftWeight: 1, holdMargin: 0.4 };

/** Requests at the head of the queue that are looked at. */
const SCANNED = 64;
/** Who waits for a busy host by choice waits so long, or twice what it is expected to save. */
const LEAST_PATIENCE_MS = 2_000;
const PATIENCE_PER_GAIN = 2;
const LOOK_AGAIN_MS = 500;
const PLACEMENT_MS = 5_000;

/** Makes a clairvoyant. */
export function clairvoyant(rule: ClairvoyantRule = CLAIRVOYANT_RULE): MakeRouter {
  return (world) => new Clairvoyant(world, rule);
}

interface Waiting {
  readonly request: Routed;
  readonly since: number;
}

interface Option {
  readonly host: FleetHost;
  readonly free: boolean;
  readonly costMs: number;
}

class Clairvoyant implements Router {
  readonly #world: World;
  readonly #rule: ClairvoyantRule;
  readonly #oracle: Oracle;
  #queue: Waiting[] = [];
  #again: Timer | undefined;
  #scheduled = false;

  constructor(world: World, rule: ClairvoyantRule) {
    [this.#world, this.#rule] = [world, rule];
    this.#oracle = new Oracle(world, rule.ttftWeight);
  }

  start(): void {
    this.#place();
  }

  joined(): void {
    this.#scanSoon();
  }

  arrived(request: Routed): void {
    this.#oracle.asked(request);
    this.#queue.push({ request, since: this.#world.time.now });
    this.#scanSoon();
  }

  ended(request: Routed, hostId: string): void {
    this.#oracle.ended(request, hostId);
    this.#scanSoon();
  }

  left(request: Routed): void {
    this.#queue = this.#queue.filter((waiting) => waiting.request.id !== request.id);
  }

  #place(): void {
    spreadModels(this.#world, this.#oracle.demand());
    this.#world.time.after(PLACEMENT_MS, () => this.#place());
  }

  /** After everything else of an instant, so that hosts are as they will be. */
  #scanSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#world.time.after(0, () => {
      this.#scheduled = false;
      this.#scan();
    });
  }

  #scan(): void {
    const lines = new Map<string, TaskLeft[]>();
    const kept: Waiting[] = [];
    for (const [index, waiting] of this.#queue.entries()) {
      const { request, since } = waiting;
      const host = index < SCANNED ? this.#choose(request, this.#world.time.now - since, lines) : undefined;
      if (host === undefined) kept.push(waiting);
      else {
        this.#oracle.sent(request, host.id);
        this.#world.send(request, host.id);
      }
    }
    this.#queue = kept;
    this.#again?.cancel();
    if (kept.length > 0) this.#again = this.#world.time.after(LOOK_AGAIN_MS, () => this.#scan());
  }

  #choose(request: Routed, waitedMs: number, lines: Map<string, TaskLeft[]>): FleetHost | undefined {
    const options = this.#optionsOf(request, lines);
    const best = leastCost(options);
    if (best === undefined || best.free) return best?.host;
    const free = leastCost(options.filter((option) => option.free));
    if (free !== undefined && this.#settles(best, free, waitedMs)) return free.host;
    const key = lineKey(best.host.id, request.item.model);
    const line = lines.get(key) ?? [];
    lines.set(key, [...line, this.#oracle.taskOn(best.host, request)]);
    return undefined;
  }

  #settles(best: Option, free: Option, waitedMs: number): boolean {
    const gainMs = free.costMs - best.costMs;
    if (gainMs <= this.#rule.holdMargin * best.costMs) return true;
    return waitedMs > Math.max(LEAST_PATIENCE_MS, PATIENCE_PER_GAIN * gainMs);
  }

  #optionsOf(request: Routed, lines: ReadonlyMap<string, readonly TaskLeft[]>): Option[] {
    const { model } = request.item;
    return [...this.#world.hosts.values()].flatMap((host) => {
      const has = host.host.spec.models.some(({ name }) => name === model);
      if (!has || !host.up || request.exclude.includes(host.id)) return [];
      const line = lines.get(lineKey(host.id, model)) ?? [];
      return [{ host, ...this.#oracle.cost(request, host, line) }];
    });
  }
}

function lineKey(hostId: string, model: string): string {
  return `${hostId} ${model}`;
}

function leastCost(options: readonly Option[]): Option | undefined {
  return options.reduce<Option | undefined>((best, option) => {
    return best === undefined || option.costMs < best.costMs ? option : best;
  }, undefined);
}
