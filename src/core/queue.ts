// The queue: requests wait here, never inside a host, and are told how fast it drains.
import type { ErrorCode } from "../wire/errors.ts";
import type { LeaseRequest, QueuePlace, Refusal } from "../wire/lease.ts";
import { deadAfterMs } from "./liveness.ts";
import { shapeOf } from "./speed/output-length.ts";
import { tenantLeavesQueue, tenantWaits } from "./tenants.ts";
import type { Fleet, Flow, Lane, Queue, Waiting } from "./state.ts";

const RATE_WINDOW_SECONDS = 30;
/** Bounds of Retry-After, seconds. */
const SHORTEST_RETRY = 1;
const LONGEST_RETRY = 120;

/** Makes a queue in which nobody waits. */
export function newQueue(): Queue {
  return { waiting: new Map(), early: [], inOrder: new Set(), lanes: new Map(), held: 0 };
}

/** Puts a request at the end of the queue; one with the same id that waits already gives way to it. */
export function enqueue(fleet: Fleet, request: LeaseRequest, leaseId: string, now: number): void {
  dequeue(fleet, request.requestId);
  const { queue } = fleet;
  const key = laneKey(request);
  const lane = queue.lanes.get(key) ?? { key, flows: new Map() };
  queue.lanes.set(key, lane);
  const flow = flowOf(lane, request);
  const expiresAt = waitsUntil(fleet, request, now);
  const waiting: Waiting = { request, leaseId, shape: shapeOf(request), queuedAt: now, expiresAt, lane, flow };
  flow.waiting.add(waiting);
  tenantWaits(fleet, waiting);
  queue.waiting.set(request.requestId, waiting);
  if (expiresAt < now + fleet.settings.queueTimeoutMs) addEarly(queue, waiting);
  else queue.inOrder.add(waiting);
}

/** Takes a request out of the queue; false if it does not wait there. */
export function dequeue(fleet: Fleet, requestId: string): boolean {
  const { queue } = fleet;
  const waiting = queue.waiting.get(requestId);
  if (waiting === undefined) return false;
  hold(queue, waiting, undefined);
  queue.waiting.delete(requestId);
  if (!queue.inOrder.delete(waiting)) queue.early.splice(queue.early.indexOf(waiting), 1);
  const { lane, flow } = waiting;
  flow.waiting.delete(waiting);
  if (flow.waiting.size === 0) lane.flows.delete(flowKey(waiting.request));
  if (lane.flows.size === 0) queue.lanes.delete(lane.key);
  tenantLeavesQueue(fleet, waiting);
  return true;
}

function flowOf(lane: Lane, request: LeaseRequest): Flow {
  const key = flowKey(request);
  const known = lane.flows.get(key);
  if (known !== undefined) return known;
  const flow: Flow = { waiting: new Set(), grantedAt: -Infinity };
  lane.flows.set(key, flow);
  return flow;
}

function flowKey({ principal }: LeaseRequest): string {
  return `${principal.priority} ${principal.tenant}`;
}

/** Tells until when a request may wait: what earlier attempts left of the queue's limit, or its own deadline. */
function waitsUntil(fleet: Fleet, request: LeaseRequest, now: number): number {
  const leftMs = fleet.settings.queueTimeoutMs - (request.waitedMs ?? 0);
  return Math.min(now + Math.max(1, leftMs), request.deadlineAt ?? Infinity);
}

/** Mostly the last: those who allow as long come one after the other. */
function addEarly({ early }: Queue, waiting: Waiting): void {
  const before = early.findLastIndex(({ expiresAt }) => expiresAt <= waiting.expiresAt);
  early.splice(before + 1, 0, waiting);
}

/** Sets the busy host a request waits for by choice. */
export function hold(queue: Queue, waiting: Waiting, held: Waiting["held"]): void {
  if (waiting.held !== undefined) {
    waiting.held.host.reserved -= 1;
    queue.held -= 1;
  }
  if (held !== undefined) {
    held.host.reserved += 1;
    queue.held += 1;
  }
  waiting.held = held;
}

/** Lists the requests whose wait is over, the longest waiting first. */
export function expired(fleet: Fleet, now: number): Waiting[] {
  const { early, inOrder } = fleet.queue;
  const over: Waiting[] = [];
  for (const entry of early) {
    if (now < entry.expiresAt) break;
    over.push(entry);
  }
  for (const entry of inOrder) {
    if (now < entry.expiresAt) break;
    over.push(entry);
  }
  return over;
}

/** Tells when the next wait is over if nothing else ends it, epoch ms. */
export function nextExpiryAt(fleet: Fleet): number | undefined {
  const { early, inOrder } = fleet.queue;
  const first = early[0]?.expiresAt;
  for (const { expiresAt } of inOrder) return Math.min(expiresAt, first ?? Infinity);
  return first;
}

/** Tells where a waiting request stands; 1 is next. */
export function positionOf({ waiting }: Queue, entry: Waiting): number {
  let position = 1;
  for (const other of waiting.values()) {
    if (other === entry) break;
    position += 1;
  }
  return position;
}

/** Counts a lease that was given back, for the drain rate. */
export function countSettled(fleet: Fleet, now: number): void {
  const second = Math.floor(now / 1000);
  const newest = fleet.settled.at(-1);
  if (newest?.second === second) {
    newest.count += 1;
    return;
  }
  fleet.settled.push({ second, count: 1 });
  fleet.settled = fleet.settled.filter((entry) => entry.second > second - RATE_WINDOW_SECONDS);
}

/** Writes a refusal, with Retry-After where trying again may help. */
export function refusal(fleet: Fleet, code: ErrorCode, detail: string, now: number): Refusal {
  switch (code) {
    case "queue_full":
    case "queue_timeout":
      return { code, detail, retryAfterSeconds: drainSeconds(fleet, now) };
    case "no_host":
    case "model_offline":
      return { code, detail, retryAfterSeconds: clamp(deadAfterMs(fleet) / 1000) };
    default:
      return { code, detail };
  }
}

/** Tells where a request stands, and how long its turn takes at the rate of the last 30 s. */
export function placeInQueue(fleet: Fleet, position: number, now: number): QueuePlace {
  const perSecond = drainRate(fleet, now);
  return perSecond === 0 ? { position } : { position, expectedWaitMs: Math.round((position * 1000) / perSecond) };
}

/** Seconds until the queue as it is now will have drained. */
function drainSeconds(fleet: Fleet, now: number): number {
  const perSecond = drainRate(fleet, now);
  return perSecond === 0 ? RATE_WINDOW_SECONDS : clamp((fleet.queue.waiting.size + 1) / perSecond);
}

/** Leases given back per second, over the last 30 s or as long as the fleet has lived. */
function drainRate(fleet: Fleet, now: number): number {
  const since = Math.floor(now / 1000) - RATE_WINDOW_SECONDS;
  const settled = fleet.settled.reduce((sum, { second, count }) => (second > since ? sum + count : sum), 0);
  return settled / Math.min(RATE_WINDOW_SECONDS, Math.max(1, (now - fleet.createdAt) / 1000));
}

function clamp(seconds: number): number {
  return Math.min(LONGEST_RETRY, Math.max(SHORTEST_RETRY, Math.ceil(seconds)));
}

function laneKey({ model, cloud, needs, principal, pinnedHost, exclude, kind, runner }: LeaseRequest): string {
  return JSON.stringify([
    model,
    cloud === true,
    needs,
    principal.pool,
    pinnedHost,
    exclude,
    kind === "control",
    runner,
  ]);
}
