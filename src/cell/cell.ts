// The Durable Object around the pure fleet: turns RPC verbs into events, effects into answers. It decides nothing.
import { DurableObject } from "cloudflare:workers";
import { catalog, isCovered } from "../core/catalog.ts";
import { summarize } from "../core/cells/summary.ts";
import { shorten } from "../core/explain.ts";
import { canRegister, createFleet, nextWakeAt, step, viewFleet } from "../core/fleet.ts";
import type { Effect, Fleet, FleetEvent, HostPast } from "../core/fleet.ts";
import type {
  CancelledLease,
  CatalogQuery,
  CatalogView,
  CellFleetView,
  CellRpc,
  FailedAttempt,
  HeartbeatVerdict,
  JoinVerdict,
  RequestView,
  UsageQuery,
  UsageView,
} from "../wire/cell-rpc.ts";
import type { CellSummary } from "../wire/cell-summary.ts";
import type { Heartbeat, Limits, Order } from "../wire/heartbeat.ts";
import type { HostRegistration, PublicKey } from "../wire/host.ts";
import type { AcquireAnswer, LeaseRequest, Outcome } from "../wire/lease.ts";
import type { WorkAnswer, WorkQuery } from "../wire/model-work.ts";
import type { Result } from "../wire/result.ts";
import type { ScaleOrder, ScaleView } from "../wire/scale.ts";
import { readSettings } from "../wire/settings.ts";
import type { Settings } from "../wire/settings.ts";
import { Connections } from "./connections.ts";
import { rememberPolicies, tiersOf } from "./choosing.ts";
import { HostStore } from "./host-store.ts";
import { RequestLog } from "./request-log.ts";
import { Tenants } from "./tenants.ts";
import { OrderStore } from "./order-store.ts";
import { Scaling } from "./scaling.ts";
import { planWork } from "./work-plan.ts";
import { withKeys } from "./keyed-beat.ts";

/** After a lost memory, requests wait so many heartbeat intervals for the first heartbeats: 6 s at an interval of 5 s. */
const WARM_UP_INTERVALS = 1.2;

const RECENT_SHOWN = 20;

export class Cell extends DurableObject implements CellRpc {
  readonly #settings: Settings;
  readonly #store: HostStore;
  readonly #tenants: Tenants;
  readonly #requests = new RequestLog();
  readonly #hosts = new Map<string, HostRegistration>();
  readonly #fleet: Fleet;
  readonly #waiting = new Map<string, (answer: AcquireAnswer) => void>();
  readonly #connections = new Connections();
  /** Newest run of each host's agent. */
  readonly #runs = new Map<string, string>();
  /** New with every memory. */
  readonly #memory = crypto.randomUUID();
  readonly #orders = new Map<string, Order[]>();
  readonly #scaling: Scaling;
  readonly #calls = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ctx: DurableObjectState, env: Record<string, unknown>) {
    super(ctx, env);
    const settings = readSettings(env);
    if (!settings.ok) throw new Error(settings.error);
    this.#settings = settings.value;
    this.#store = new HostStore(ctx.storage.sql);
    this.#tenants = new Tenants(ctx.storage.sql, Date.now());
    this.#fleet = createFleet(
      {
        maxInstances: this.#settings.MAX_INSTANCES,
        queueTimeoutMs: this.#settings.QUEUE_TIMEOUT,
        queueLimit: this.#settings.QUEUE_LIMIT,
        heartbeatIntervalMs: this.#settings.HEARTBEAT_INTERVAL,
        policy: this.#settings.LOAD_BALANCING_STRATEGY,
        policyOf: rememberPolicies(this.#settings),
        tierOf: tiersOf(this.#settings),
        leaseDeadlineMs: this.#settings.REQUEST_LIMIT,
        hostsMayCome: this.#settings.SCALER_URL !== "",
        warmUpMs: WARM_UP_INTERVALS * this.#settings.HEARTBEAT_INTERVAL,
      },
      Date.now(),
    );
    const orders = new OrderStore(ctx.storage.sql);
    this.#scaling = new Scaling(
      this.#fleet,
      {
        settings: this.#settings,
        cell: ctx.id.name,
        store: orders,
        give: (hostId, order) => this.#give(hostId, order),
        post: async (order) => await this.postOrder(order),
        wakeAt: async (at) => await ctx.storage.setAlarm(at),
        keepAlive: (work) => ctx.waitUntil(work),
      },
      Date.now(),
    );
    for (const { registration, ...past } of this.#store.readAll()) {
      const [newest] = past.runs;
      if (newest !== undefined) this.#runs.set(registration.id, newest);
      this.#register(registration, { ...past, models: orders.readModels(registration.id) });
    }
  }

  async acquireLease(request: LeaseRequest, previous?: FailedAttempt): Promise<AcquireAnswer> {
    this.#count("acquire");
    if (previous !== undefined) {
      this.#requests.settled(previous.leaseId, previous.outcome, Date.now());
      this.#apply({ type: "settle", ...previous });
    }
    const now = Date.now();
    this.#requests.begin(request, now);
    const limited = this.#tenants.admit(this.#fleet, request, now);
    if (limited !== undefined) {
      this.#requests.refused(request.requestId, limited);
      return { ok: false, refusal: limited };
    }
    const leaseId = this.#tenants.newLeaseId(request.principal.tenant);
    return await new Promise((resolve) => {
      this.#connections.begin(request);
      this.#waiting.set(request.requestId, resolve);
      this.#apply({ type: "acquire", request, leaseId });
    });
  }

  async settleLease(leaseId: string, outcome: Outcome): Promise<void> {
    this.#count("settle");
    this.#connections.endLease(leaseId);
    this.#requests.settled(leaseId, outcome, Date.now());
    this.#apply({ type: "settle", leaseId, outcome });
  }

  async cancelRequest(requestId: string): Promise<void> {
    this.#connections.end(requestId);
    this.#apply({ type: "cancel", requestId });
  }

  async cancelConnections(connections: readonly string[]): Promise<readonly CancelledLease[]> {
    const cancelled: CancelledLease[] = [];
    for (const { requestId, lease } of this.#connections.on(connections)) {
      await this.cancelRequest(requestId);
      if (lease !== undefined) cancelled.push(lease);
    }
    return cancelled;
  }

  async recordHeartbeat(hostId: string, beat: Heartbeat): Promise<HeartbeatVerdict> {
    this.#count("heartbeat");
    const registration = this.#hosts.get(hostId);
    // Sequence numbers are remembered in memory alone: a heartbeat for an earlier memory may be a replay.
    if (registration?.guarded === true && beat.memory !== this.#memory)
      return { ok: false, code: "new_cell", memory: this.#memory };
    const effects = this.#apply({
      type: "heartbeat",
      hostId,
      beat: withKeys(this.#withoutMadeUp(beat), this.#settings),
    });
    for (const effect of effects) {
      if (effect.type === "heartbeat-refused") return { ok: false, code: effect.code };
      if (effect.type !== "heartbeat-accepted") continue;
      this.#tenants.countFinished(beat.finished, Date.now());
      this.#noteRun(hostId, beat.runId);
      const orders = this.#orders.get(hostId) ?? [];
      this.#orders.delete(hostId);
      const intervalMs = this.#settings.HEARTBEAT_INTERVAL;
      const limits = limitsOf(this.#settings);
      const { resync, unproven } = effect;
      const memory = this.#memory;
      const answer = { intervalMs, edgeTimeMs: Date.now(), resync, orders, limits, memory, unproven };
      return unproven ? { ok: true, answer, prove: registration } : { ok: true, answer };
    }
    return { ok: false, code: "unknown_host" };
  }

  async joinHost(registration: HostRegistration, joinTokenId: string): Promise<JoinVerdict> {
    if (!canRegister(this.#fleet, registration.id)) return { ok: false, code: "too_many_hosts" };
    if (!this.#store.useJoinToken(joinTokenId, Date.now())) return { ok: false, code: "conflict" };
    this.#store.write(registration);
    this.#store.proveRun(registration.id, "");
    this.#register(registration);
    return { ok: true };
  }

  async proveHost(hostId: string, runId: string): Promise<void> {
    this.#store.proveRun(hostId, runId);
    this.#apply({ type: "host-proven", hostId, runId });
  }

  async readHostKey(hostId: string): Promise<PublicKey | undefined> {
    return this.#hosts.get(hostId)?.signingKey;
  }

  async removeHost(hostId: string): Promise<boolean> {
    if (!this.#hosts.delete(hostId)) return false;
    this.#runs.delete(hostId);
    this.#store.remove(hostId);
    this.#apply({ type: "host-removed", hostId });
    return true;
  }

  async drainHost(hostId: string, drained: boolean): Promise<boolean> {
    const registration = this.#hosts.get(hostId);
    if (registration === undefined) return false;
    const changed = { ...registration, drained };
    this.#store.write(changed);
    this.#hosts.set(hostId, changed);
    this.#apply({ type: "host-drained", hostId, drained });
    return true;
  }

  async readCatalog(query: CatalogQuery): Promise<CatalogView | undefined> {
    this.#count("catalog");
    this.#apply({ type: "tick" });
    return isCovered(this.#fleet, query) ? catalog(this.#fleet, Date.now(), query) : undefined;
  }

  async readUsage(query: UsageQuery): Promise<readonly UsageView[]> {
    return this.#tenants.read(query, Date.now());
  }

  async readRequest(requestId: string, tenant?: string): Promise<RequestView | undefined> {
    return this.#requests.read(requestId, tenant);
  }

  async readFleet(): Promise<CellFleetView> {
    this.#apply({ type: "tick" });
    const recent = this.#requests.recent(RECENT_SHOWN);
    return { ...viewFleet(this.#fleet, Date.now()), recent, calls: Object.fromEntries(this.#calls) };
  }

  async readSummary(): Promise<CellSummary> {
    this.#count("summary");
    return summarize(this.#fleet, Date.now());
  }

  #count(verb: string): void {
    this.#calls.set(verb, (this.#calls.get(verb) ?? 0) + 1);
  }

  async readScale(): Promise<ScaleView> {
    this.#apply({ type: "tick" });
    return this.#scaling.view(Date.now());
  }

  async planWork(query: WorkQuery): Promise<WorkAnswer> {
    this.#apply({ type: "tick" });
    if (query.work === "unload" && query.model !== undefined) this.#unwant(query.model);
    return planWork(this.#fleet, query, Date.now());
  }

  override async alarm(): Promise<void> {
    await this.#scaling.retryOrder();
  }

  /** Posts an order for hosts; whoever has the keys says how. */
  protected async postOrder(_order: ScaleOrder): Promise<Result<true, string>> {
    return { ok: false, error: "nobody posts orders" };
  }

  #register(registration: HostRegistration, past?: HostPast): void {
    this.#hosts.set(registration.id, registration);
    this.#apply({ type: "host-registered", registration, past });
  }

  /** What a host lists counts for tenants, so that it may list what it was given alone; without a model it counts for nobody. */
  #withoutMadeUp(beat: Heartbeat): Heartbeat {
    return { ...beat, active: beat.active.filter(({ id, model }) => model === "" || this.#tenants.hasGiven(id)) };
  }

  /** A row per start of an agent, not per heartbeat. */
  #noteRun(hostId: string, runId: string): void {
    if (this.#runs.get(hostId) === runId) return;
    this.#runs.set(hostId, runId);
    this.#store.noteRun(hostId, runId);
  }

  #apply(event: FleetEvent): readonly Effect[] {
    const effects = step(this.#fleet, event, { now: Date.now(), random: Math.random });
    for (const effect of effects) this.#carryOut(effect);
    this.#scaling.take(event, effects, this.#fleet.steppedAt);
    this.#rearm();
    return effects;
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "granted":
        this.#connections.granted(effect.requestId, effect.grant);
        this.#requests.granted(effect.requestId, shorten(effect.grant), Date.now());
        this.#answer(effect.requestId, { ok: true, grant: shorten(effect.grant) });
        break;
      case "refused":
        this.#connections.end(effect.requestId);
        this.#requests.refused(effect.requestId, effect.refusal);
        this.#answer(effect.requestId, { ok: false, refusal: effect.refusal });
        break;
      case "order":
        if (effect.order.type === "load" && !this.#scaling.mayLoad(effect.hostId, effect.order.model)) break;
        this.#give(effect.hostId, effect.order);
        break;
      case "heartbeat-accepted":
      case "heartbeat-refused":
        break;
    }
  }

  /** What is unloaded stays so until somebody asks for it again: loads that were ordered ahead are taken back. */
  #unwant(model: string): void {
    for (const [hostId, orders] of this.#orders) {
      this.#orders.set(
        hostId,
        orders.filter((order) => order.type !== "load" || order.model !== model),
      );
    }
    this.#apply({ type: "model-unwanted", model });
  }

  /** Keeps an order until the host's next heartbeat. */
  #give(hostId: string, order: Order): void {
    this.#orders.set(hostId, [...(this.#orders.get(hostId) ?? []), order]);
  }

  #answer(requestId: string, answer: AcquireAnswer): void {
    this.#waiting.get(requestId)?.(answer);
    this.#waiting.delete(requestId);
  }

  /** A timer only while somebody waits: the fleet expires the rest by itself at the next event, and an idle cell may sleep. */
  #rearm(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    const wakeAt = Math.min(nextWakeAt(this.#fleet) ?? Infinity, this.#scaling.nextAt());
    this.#timer = setTimeout(() => this.#apply({ type: "tick" }), Math.max(1, wakeAt - Date.now()));
  }
}

function limitsOf({ KEEP_ALIVE, STALL_LIMIT, ABANDON_LOADS }: Settings): Limits {
  const limits = { keepAliveMs: KEEP_ALIVE, stallMs: STALL_LIMIT };
  return ABANDON_LOADS === undefined ? limits : { ...limits, abandonLoadsAfterMs: ABANDON_LOADS };
}
