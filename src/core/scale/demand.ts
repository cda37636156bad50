// Demand: what the fleet was asked for, per model and over all, learned from the same events and effects the fleet runs on.
import type { ErrorCode } from "../../wire/errors.ts";
import type { LeaseRequest } from "../../wire/lease.ts";
import type { Effect, FleetEvent } from "../events.ts";
import type { Fleet, Lease } from "../state.ts";
import { countArrival, countEnd, countLoad, countStart, openWindow } from "./window.ts";
import type { Window } from "./window.ts";

/** Names come from clients: beyond this the model asked for longest ago is forgotten. */
const MODELS_MAX = 256;
/** Pairs of host and model whose last use is remembered: a cell's hosts with twenty models each. */
const USES_MAX = 4_096;
/** Ollama tells a few ms of "load" for a model that was loaded. */
const LOAD_MIN_MS = 300;
/** A load that stays as it is is measured over so many windows. */
const STEADY_WINDOWS = 8;

interface Open {
  readonly model: string;
  readonly hostId: string;
  readonly startedAt: number;
  /** False for a request that has its model unloaded when it is done: no copy is worth keeping for it. */
  readonly stays: boolean;
}

export interface Demand {
  readonly windowMs: number;
  readonly total: Window;
  readonly byModel: Map<string, Window>;
  readonly open: Map<string, Open>;
  /** Leases that ended and whose host has not reported them yet: lease to model. */
  readonly ended: Map<string, string>;
  /** `host model` to when it last worked there. */
  readonly usedAt: Map<string, number>;
}

/** Demand that has seen nothing yet. */
export function openDemand(windowMs: number, now: number): Demand {
  return {
    windowMs,
    total: openWindow(windowMs * STEADY_WINDOWS, now),
    byModel: new Map(),
    open: new Map(),
    ended: new Map(),
    usedAt: new Map(),
  };
}

/** Learns from one event and its effects, after the fleet has taken it. */
export function observe(demand: Demand, fleet: Fleet, seen: { event: FleetEvent; effects: readonly Effect[] }): void {
  const { event, effects } = seen;
  const now = fleet.steppedAt;
  if (event.type === "acquire" && isDemand(event.request, effects)) {
    const { model } = event.request;
    countArrival(demand.total, now);
    if (model !== undefined && event.request.unloads !== true) countArrival(windowOf(demand, model, now), now);
  }
  if (event.type === "model-unwanted") demand.byModel.delete(event.model);
  if (event.type === "settle") end(demand, event.leaseId, now, event.outcome.type.startsWith("host-"));
  if (event.type === "heartbeat") for (const { id, loadMs } of event.beat.finished) reportLoad(demand, id, loadMs, now);
  for (const effect of effects) {
    if (effect.type !== "granted") continue;
    const lease = fleet.leases.get(effect.grant.leaseId);
    if (lease !== undefined) start(demand, lease, effect.grant.queuedMs);
  }
}

/** Refusals that more hosts would have spared the client. */
const FOR_LACK_OF_HOSTS: ReadonlySet<ErrorCode> = new Set([
  "queue_full",
  "queue_timeout",
  "no_host",
  "model_offline",
] as const);

/** Made-up model names and second attempts are no demand. */
function isDemand(request: LeaseRequest, effects: readonly Effect[]): boolean {
  if (request.attempt !== 1 || request.kind === "control") return false;
  for (const effect of effects) {
    if (effect.type === "refused" && effect.requestId === request.requestId)
      return FOR_LACK_OF_HOSTS.has(effect.refusal.code);
  }
  return true;
}

/** Brings the open requests in line with the fleet's leases: some end unseen, some are learned from heartbeats. */
export function reconcile(demand: Demand, fleet: Fleet): void {
  const now = fleet.steppedAt;
  for (const leaseId of demand.open.keys()) if (!fleet.leases.has(leaseId)) end(demand, leaseId, now, true);
  for (const lease of fleet.leases.values()) if (!demand.open.has(lease.id)) start(demand, lease, 0);
}

/** When a host last worked for a model, as far as the window remembers. */
export function lastUsedAt(demand: Demand, hostId: string, model: string): number | undefined {
  return demand.usedAt.get(`${hostId} ${model}`);
}

function windowOf(demand: Demand, model: string, now: number): Window {
  const known = demand.byModel.get(model);
  const window =
    known ?? openWindow(demand.windowMs * STEADY_WINDOWS, Math.max(demand.total.startedAt, now - demand.windowMs));
  // Order of use, so that the oldest is the first.
  demand.byModel.delete(model);
  demand.byModel.set(model, window);
  if (demand.byModel.size > MODELS_MAX) {
    const idle = [...demand.byModel].find(([, other]) => other.running === 0);
    if (idle !== undefined) demand.byModel.delete(idle[0]);
  }
  return window;
}

function start(demand: Demand, lease: Lease, queuedMs: number): void {
  if (lease.control || lease.model === undefined) return;
  const now = lease.grantedAt;
  const stays = lease.work?.request.unloads !== true;
  demand.open.set(lease.id, { model: lease.model, hostId: lease.hostId, startedAt: now, stays });
  noteUse(demand, lease.hostId, lease.model, now);
  countStart(demand.total, queuedMs, now);
  if (stays) countStart(windowOf(demand, lease.model, now), queuedMs, now);
}

function end(demand: Demand, leaseId: string, now: number, failed: boolean): void {
  const open = demand.open.get(leaseId);
  if (open === undefined) return;
  demand.open.delete(leaseId);
  noteUse(demand, open.hostId, open.model, now);
  const serviceMs = now - open.startedAt;
  countEnd(demand.total, serviceMs, now);
  if (open.stays) countEnd(windowOf(demand, open.model, now), serviceMs, now);
  if (!failed) rememberEnded(demand, leaseId, open.model);
}

function noteUse(demand: Demand, hostId: string, model: string, now: number): void {
  const key = `${hostId} ${model}`;
  demand.usedAt.delete(key);
  demand.usedAt.set(key, now);
  if (demand.usedAt.size <= USES_MAX) return;
  const oldest = demand.usedAt.keys().next();
  if (!oldest.done) demand.usedAt.delete(oldest.value);
}

function rememberEnded(demand: Demand, leaseId: string, model: string): void {
  demand.ended.set(leaseId, model);
  if (demand.ended.size <= 4_096) return;
  const oldest = demand.ended.keys().next();
  if (!oldest.done) demand.ended.delete(oldest.value);
}

/** The report may come before the edge has settled the lease, or after; once only. */
function reportLoad(demand: Demand, leaseId: string, loadMs: number | undefined, now: number): void {
  const model = demand.ended.get(leaseId) ?? demand.open.get(leaseId)?.model;
  demand.ended.delete(leaseId);
  const window = model === undefined ? undefined : demand.byModel.get(model);
  if (window === undefined || loadMs === undefined || loadMs < LOAD_MIN_MS) return;
  countLoad(demand.total, loadMs, now);
  countLoad(window, loadMs, now);
}
