// The queue: requests wait here, never inside a host, and are told how fast it drains.
import type { ErrorCode } from "../wire/errors.ts";
import type { LeaseRequest, QueuePlace, Refusal } from "../wire/lease.ts";
import { deadAfterMs } from "./liveness.ts";
import type { Fleet, Waiting } from "./state.ts";

const RATE_WINDOW_SECONDS = 30;
/** Bounds of Retry-After, seconds. */
const SHORTEST_RETRY = 1;
const LONGEST_RETRY = 120;

/** Puts a request at the end of the queue; one with the same id that waits already gives way to it. */
export function enqueue(fleet: Fleet, request: LeaseRequest, leaseId: string, now: number): void {
  const waiting: Waiting = { request, leaseId, queuedAt: now, judged: false };
  const index = fleet.queue.findIndex((other) => other.request.requestId === request.requestId);
  if (index === -1) fleet.queue.push(waiting);
  else fleet.queue[index] = waiting;
}

/** Takes a request out of the queue; false if it does not wait there. */
export function dequeue(fleet: Fleet, requestId: string): boolean {
  const before = fleet.queue.length;
  fleet.queue = fleet.queue.filter(({ request }) => request.requestId !== requestId);
  return fleet.queue.length < before;
}

/** Tells until when a request may wait: what earlier attempts left of the queue's limit, or its own deadline. */
export function waitsUntil(fleet: Fleet, { queuedAt, request }: Waiting): number {
  const leftMs = fleet.settings.queueTimeoutMs - (request.waitedMs ?? 0);
  return Math.min(queuedAt + Math.max(1, leftMs), request.deadlineAt ?? Infinity);
}

/** Tells whether a request has waited long enough; one that has just come is tried before its wait is judged. */
export function isExpired(fleet: Fleet, waiting: Waiting, now: number): boolean {
  const { deadlineAt } = waiting.request;
  if (deadlineAt !== undefined && deadlineAt <= now) return true;
  return now > waiting.queuedAt && now >= waitsUntil(fleet, waiting);
}

/** Counts a lease that was given back, for the drain rate. */
export function countSettled(fleet: Fleet, now: number): void {
  const second = Math.floor(now / 1000);
  const newest = fleet.settled.at(-1);
  if (newest?.second === second) newest.count += 1;
  else fleet.settled.push({ second, count: 1 });
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
  return perSecond === 0 ? RATE_WINDOW_SECONDS : clamp((fleet.queue.length + 1) / perSecond);
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
