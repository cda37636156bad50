// Our router: the fleet that also decides in production, with what it is told and asked in a simulation.
import { createFleet, nextWakeAt, step } from "../../core/fleet.ts";
import type { Effect, Fleet, FleetEvent } from "../../core/fleet.ts";
import { createScaler, evaluate, watch } from "../../core/scale/scaler.ts";
import type { ScaleSettings, Scaler } from "../../core/scale/scaler.ts";
import type { Order } from "../../wire/heartbeat.ts";
import type { Grant, LeaseRequest, Outcome } from "../../wire/lease.ts";
import type { PolicyName } from "../../wire/settings.ts";
import type { FleetHost } from "./fleet-host.ts";
import { forkRandom } from "./random.ts";
import type { Random } from "./random.ts";
import type { Ending, MakeRouter, Routed, Router, World } from "./router.ts";
import type { Prompt } from "./prompt-cache.ts";
import type { Timer } from "./virtual-time.ts";

/** Bytes of text in a token, as in English. */
const BYTES_PER_TOKEN = 4;
/** The edge hashes a prompt in blocks of 1 KiB. */
const HASHED_TOKENS = 256;

/** The defaults of the configuration: copies of models follow demand, hosts are nobody's to start. */
const SCALE: Omit<ScaleSettings, "maxHosts"> = {
  minHosts: 0,
  targetWaitMs: 2_000,
  windowMs: 120_000,
  coolDownMs: 300_000,
  orderMs: 300_000,
  steersHosts: false,
  ruleOf: () => ({
    pinned: false,
    minCopies: 0,
    maxCopies: 10_000,
    pull: false,
    mayRunOn: () => true,
    mayComeFrom: () => true,
  }),
};

/** Makes our fleet under one of its policies. */
export function hive(policy: PolicyName): MakeRouter {
  return (world) => new HiveRouter(world, policy);
}

class HiveRouter implements Router {
  readonly #world: World;
  readonly #random: Random;
  readonly #fleet: Fleet;
  readonly #open = new Map<string, Routed>();
  readonly #leases = new Map<string, string>();
  readonly #scaler: Scaler;
  readonly #scaleEveryMs: number;
  readonly #orders = new Map<string, readonly Order[]>();
  #granted = 0;
  #wake: Timer | undefined;

  constructor(world: World, policy: PolicyName) {
    this.#world = world;
    this.#random = forkRandom(world.seed, "policy");
    const { queueTimeoutMs, queueLimit, heartbeatIntervalMs } = world.rules;
    const limits = { maxInstances: world.hosts.size, queueTimeoutMs, queueLimit };
    this.#scaleEveryMs = Math.min(5_000, heartbeatIntervalMs);
    this.#scaler = createScaler({ ...SCALE, maxHosts: world.hosts.size }, world.time.now);
    this.#fleet = createFleet({ ...limits, heartbeatIntervalMs, policy }, world.time.now);
  }

  start(): void {
    for (const host of this.#world.hosts.values()) if (host.up) this.#join(host);
  }

  joined(hostId: string): void {
    const host = this.#world.hosts.get(hostId);
    if (host !== undefined) this.#join(host);
  }

  arrived(request: Routed): void {
    this.#open.set(request.id, request);
    this.#granted += 1;
    this.#step({ type: "acquire", request: this.#leaseRequest(request), leaseId: `lease-${this.#granted}` });
  }

  ended(request: Routed, _hostId: string, ending: Ending): void {
    const leaseId = this.#leases.get(request.id);
    this.#leases.delete(request.id);
    this.#open.delete(request.id);
    if (leaseId !== undefined) this.#step({ type: "settle", leaseId, outcome: outcomeOf(ending) });
  }

  left(request: Routed): void {
    this.#open.delete(request.id);
    this.#step({ type: "cancel", requestId: request.id });
  }

  #join(host: FleetHost): void {
    if (!this.#fleet.hosts.has(host.id)) this.#step({ type: "host-registered", registration: host.register() });
    this.#heartbeat(host, host.lives);
  }

  /** A host's heartbeats end with its life; each but the first arrives when the network lets it. */
  #heartbeat(host: FleetHost, life: number, delayMs = 0): void {
    const { time, rules } = this.#world;
    if (!host.up || host.lives !== life) return;
    const beat = host.beat();
    const deliver = (): void => {
      this.#step({ type: "heartbeat", hostId: host.id, beat });
      const orders = this.#orders.get(host.id) ?? [];
      this.#orders.delete(host.id);
      for (const order of orders) this.#order(host.id, order);
    };
    if (delayMs === 0) deliver();
    else time.after(delayMs, deliver);
    time.after(rules.heartbeatIntervalMs, () => this.#heartbeat(host, life, rules.heartbeatDelayMs));
  }

  #leaseRequest({ id, item, attempt, exclude, estimatedTokens }: Routed): LeaseRequest {
    const numCtx = item.numCtx ?? this.#world.rules.numCtx;
    return {
      requestId: id,
      principal: { tokenId: item.tenant, tenant: item.tenant, priority: "normal", pool: "*" },
      model: item.model,
      needs: [],
      kind: item.kind ?? "chat",
      streaming: true,
      runner: numCtx === undefined ? "" : `num_ctx=${numCtx}`,
      numCtx,
      promptBytes: Math.round(estimatedTokens * BYTES_PER_TOKEN),
      numPredict: item.numPredict,
      prefix: hashesOf(item.prompt),
      attempt,
      exclude,
    };
  }

  #step(event: FleetEvent): void {
    const { time } = this.#world;
    const effects = step(this.#fleet, event, { now: time.now, random: this.#random });
    for (const effect of effects) this.#carryOut(effect);
    this.#scale(event, effects);
    this.#wake?.cancel();
    const wakeAt = nextWakeAt(this.#fleet);
    if (wakeAt !== undefined) this.#wake = time.at(wakeAt, () => this.#step({ type: "tick" }));
  }

  /** As the cell has it: learn from every event, evaluate at times, hand orders over with the next heartbeat. */
  #scale(event: FleetEvent, effects: readonly Effect[]): void {
    const { now } = this.#world.time;
    watch(this.#scaler, this.#fleet, event, effects);
    if (now < this.#scaler.evaluatedAt + this.#scaleEveryMs) return;
    for (const { hostId, order } of evaluate(this.#scaler, this.#fleet, now).orders) {
      this.#orders.set(hostId, [...(this.#orders.get(hostId) ?? []), order]);
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "granted":
        return this.#grant(effect.requestId, effect.grant);
      case "refused": {
        const request = this.#open.get(effect.requestId);
        this.#open.delete(effect.requestId);
        return request === undefined ? undefined : this.#world.refuse(request, effect.refusal.code);
      }
      case "order":
        return this.#order(effect.hostId, effect.order);
      case "heartbeat-accepted":
        return;
      case "heartbeat-refused":
        throw new Error(`the fleet refused a heartbeat: ${effect.code}`);
    }
  }

  #grant(requestId: string, { leaseId, hostId, decision }: Grant): void {
    const request = this.#open.get(requestId);
    if (request === undefined) throw new Error(`a lease for ${requestId} on ${hostId}`);
    this.#leases.set(requestId, leaseId);
    this.#world.explain?.(request, decision);
    this.#world.send(request, hostId, leaseId);
  }

  #order(hostId: string, order: Order): void {
    const host = this.#world.hosts.get(hostId);
    if (host?.up !== true) return;
    switch (order.type) {
      case "load":
        return host.load(order.model, this.#world.rules.keepAliveMs, contextIn(order.runner));
      case "unload":
        return host.host.unload(order.model);
      default:
        // Requests that are to be cancelled have ended here; files are where they are.
        return;
    }
  }
}

function contextIn(runner: string | undefined): number | undefined {
  const digits = /(?:^|,)num_ctx=(\d+)/.exec(runner ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whole blocks of 1 KiB, as the edge hashes them: each block of a trace is several of these. */
function hashesOf({ tokens, blocks, blockTokens }: Prompt): number[] {
  const perBlock = blockTokens / HASHED_TOKENS;
  const whole = Math.min(Math.floor(tokens / HASHED_TOKENS), blocks.length * perBlock);
  return Array.from({ length: whole }, (_, index) => {
    return (blocks[Math.floor(index / perBlock)] ?? 0) * perBlock + (index % perBlock);
  });
}

function outcomeOf(ending: Ending): Outcome {
  switch (ending.type) {
    case "served":
      return { type: "served" };
    case "left":
      return { type: "client-left" };
    case "refused":
      return { type: "host-refused", reason: `status ${ending.status}` };
    case "failed":
      return { type: "host-failed", reason: "connection lost" };
  }
}
