// Demand: what the fleet was asked for, per model and over all, learned from the same events and effects the fleet runs on.
import type { ErrorCode } from "../../wire/errors.ts";
import type { LeaseRequest } from "../../wire/lease.ts";
import type { Effect, FleetEvent } from "../events.ts";
import type { Fleet, Lease } from "../state.ts";
import type { Traffic } from "./queueing.ts";
import { QUANTILE } from "./queueing.ts";
import { countArrival, countEnd, countLoad, countStart, observedWaitMs, openWindow, totalsOf } from "./window.ts";
import type { Totals, Window } from "./window.ts";

/** Names come from clients: beyond this the model asked for longest ago is forgotten. */
const MODELS_MAX = 256;
/** Pairs of host and model whose last use is remembered: a cell's hosts with twenty models each. */
const USES_MAX = 4_096;
/** Ollama tells a few ms of "load" for a model that was loaded. */
const LOAD_MIN_MS = 300;
/** Until the first request has ended. */
const FIRST_GUESS_SECONDS = 5;
/** Coefficients of variation start at 1 and count as if so many samples had said so. */
const PRIOR_SAMPLES = 20;
const SCV_MAX = 16;
/** The newest part of the window, which sees a rise first. */
const RECENT_SHARE = 0.25;
/** Standard deviations by which requests must differ from the expected to count as a change: looked for every few seconds. */
const DEVIATIONS = 5;
/** Standard deviations that the load may be above its measurement. */
const MARGIN_ABOVE = 4;
const MARGIN_BELOW = 1;
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

/** What is known of the requests for one model, or of all. */
export interface Figures {
  readonly arrivals: number;
  readonly observedWaitMs: number;
  readonly loadSeconds?: number | undefined;
  readonly running: number;
  /** As measured; a rise shows in it as soon as it is no mere chance. */
  readonly traffic: Traffic;
  /** The most it may really be, given how few requests it was measured on. */
  readonly atLeast: Traffic;
  readonly atMost: Traffic;
}

/**
 * Sums up a window. As long as the newest requests could be mere chance under the load measured before, they only make
 * that measurement more exact; once they could not, what was before them is history.
 */
export function figuresOf(window: Window, windowMs: number, now: number): Figures {
  for (const lengthMs of [windowMs, windowMs * RECENT_SHARE]) {
    const since = Math.max(window.steadySince, now - lengthMs);
    if (since > window.steadySince && hasChanged(window, since, now)) window.steadySince = since;
  }
  const newest = totalsOf(window, now, now - windowMs);
  const totals = totalsOf(window, now, window.steadySince);
  const shape = shapeOf(totals, window.running);
  const seconds = Math.max(totals.seconds, (windowMs * RECENT_SHARE) / 1000);
  const deviation = Math.sqrt((shape.arrivalScv + shape.serviceScv) / Math.max(1, totals.arrivals));
  const ratePerSecond = totals.arrivals / seconds;
  return {
    arrivals: newest.arrivals,
    observedWaitMs: observedWaitMs(window, now - windowMs, QUANTILE),
    loadSeconds: totals.loads === 0 ? undefined : totals.loadSeconds / totals.loads,
    running: window.running,
    traffic: { ...shape, ratePerSecond },
    atLeast: { ...shape, ratePerSecond: ratePerSecond * Math.max(0, 1 - MARGIN_BELOW * deviation) },
    atMost: {
      ratePerSecond: ratePerSecond * (1 + MARGIN_ABOVE * deviation),
      serviceSeconds: shape.serviceSeconds,
      arrivalScv: shape.arrivalScv * 1.5,
      serviceScv: shape.serviceScv * 1.5,
    },
  };
}

/** Whether what happened since an instant is too much or too little to be chance under the load of the time before it. */
function hasChanged(window: Window, since: number, now: number): boolean {
  const all = totalsOf(window, now, window.steadySince);
  const newest = totalsOf(window, now, since);
  const before = { arrivals: all.arrivals - newest.arrivals, seconds: all.seconds - newest.seconds };
  if (before.seconds < newest.seconds) return false;
  const { arrivalScv, serviceScv } = shapeOf(all, window.running);
  const expected = (before.arrivals / before.seconds) * newest.seconds;
  const chance = Math.sqrt(arrivalScv * Math.max(1, expected) * (1 + newest.seconds / before.seconds));
  if (Math.abs(newest.arrivals - expected) > DEVIATIONS * chance) return true;
  if (newest.ended === 0 || all.ended === newest.ended) return false;
  const usual = (all.serviceSeconds - newest.serviceSeconds) / (all.ended - newest.ended);
  const mean = newest.serviceSeconds / newest.ended;
  return Math.abs(mean - usual) > DEVIATIONS * usual * Math.sqrt(serviceScv / newest.ended);
}

function shapeOf(totals: Totals, running: number): Omit<Traffic, "ratePerSecond"> {
  return {
    serviceSeconds: serviceSeconds(totals, running),
    arrivalScv: scv(totals.gaps, totals.gapSeconds, totals.gapSeconds2),
    serviceScv: scv(totals.ended, totals.serviceSeconds, totals.serviceSeconds2),
  };
}

/**
 * Time spent over requests ended: the maximum-likelihood estimate while others still run (censored). Until a few have
 * ended it leans towards the mean age of those that run, for one early end would make the rest look endless.
 */
function serviceSeconds({ busySeconds, ended }: Totals, running: number): number {
  const seconds = Math.max(0.001, busySeconds / Math.max(1, ended + running / (1 + ended)));
  return ended === 0 ? Math.max(FIRST_GUESS_SECONDS, seconds) : seconds;
}

function scv(count: number, sum: number, sumOfSquares: number): number {
  if (count < 2 || sum <= 0) return 1;
  const mean = sum / count;
  const measured = Math.max(0, sumOfSquares / count - mean * mean) / (mean * mean);
  return Math.min(SCV_MAX, (measured * count + PRIOR_SAMPLES) / (count + PRIOR_SAMPLES));
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
