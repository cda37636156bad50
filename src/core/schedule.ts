// Late binding: at every event the queue is gone through from its head, and whoever finds a free host leaves it.
import type { LeaseRequest } from "../wire/lease.ts";
import type { Effect, StepContext } from "./events.ts";
import { addLease, slotsOf } from "./leases.ts";
import { place } from "./placement.ts";
import type { Placement } from "./placement.ts";
import { isExpired, placeInQueue, refusal } from "./queue.ts";
import type { Fleet, Waiting } from "./state.ts";

/**
 * Grants, refuses or keeps each waiting request; the order of requests that compete for the same hosts is kept.
 * Where nothing but a slot can have become free, those placed before are not placed again while every slot is taken:
 * a long queue would otherwise cost each acquire and settle a look at every host for every kind of request.
 */
export function drainQueue(fleet: Fleet, context: StepContext, onlyFrees: boolean): Effect[] {
  const effects: Effect[] = [];
  // Within one scan hosts only get fuller: what one request was told holds for all that ask for the same.
  const told = new Map<string, Placement>();
  const scanned = fleet.queue;
  const kept: Waiting[] = [];
  let isFull = onlyFrees && !hasFreeSlot(fleet);
  for (const waiting of scanned) {
    const needsSlot = waiting.judged && waiting.request.kind !== "control";
    const isPassed = isFull && needsSlot && !isExpired(fleet, waiting, context.now);
    const placement: Placement = isPassed ? { type: "wait" } : placeWaiting(fleet, waiting, told, context);
    waiting.judged = true;
    if (placement.type === "wait") kept.push(waiting);
    else effects.push(conclude(fleet, waiting, placement, { ...context, position: kept.length + 1 }));
    if (placement.type === "host") isFull = onlyFrees && !hasFreeSlot(fleet);
  }
  fleet.queue = kept;
  return effects.concat(refuseOverflow(fleet, context.now));
}

function hasFreeSlot(fleet: Fleet): boolean {
  for (const host of fleet.hosts.values()) if (slotsOf(host) > host.slotsUsed) return true;
  return false;
}

type Concluded = Exclude<Placement, { type: "wait" }>;

function placeWaiting(fleet: Fleet, waiting: Waiting, told: Map<string, Placement>, context: StepContext): Placement {
  if (isExpired(fleet, waiting, context.now)) {
    return { type: "refuse", code: "queue_timeout", detail: "no slot became free in time" };
  }
  const key = placementKey(waiting.request);
  const before = told.get(key);
  if (before !== undefined) return before;
  const placement = place(fleet, waiting.request, context);
  if (placement.type !== "host") told.set(key, placement);
  return placement;
}

interface ScanContext extends StepContext {
  /** Where in the queue the request stands; 1 is next. */
  readonly position: number;
}

function conclude(fleet: Fleet, waiting: Waiting, placement: Concluded, { now, position }: ScanContext): Effect {
  const { request, leaseId, queuedAt } = waiting;
  const { requestId } = request;
  if (placement.type === "refuse") {
    const refused = refusal(fleet, placement.code, placement.detail, now);
    if (placement.code !== "queue_timeout") return { type: "refused", requestId, refusal: refused };
    return { type: "refused", requestId, refusal: { ...refused, queue: placeInQueue(fleet, position, now) } };
  }
  const { host, decision } = placement;
  const expiresAt = now + fleet.settings.leaseDeadlineMs;
  const hostId = host.registration.id;
  const control = request.kind === "control";
  const { model } = request;
  addLease(fleet, host, {
    id: leaseId,
    requestId,
    hostId,
    model,
    control,
    grantedAt: now,
    expiresAt,
    listed: false,
    missed: 0,
  });
  if (host.failure !== undefined) host.failure.probeLeaseId = leaseId;
  fleet.lastChosen.set(model ?? "", hostId);
  return {
    type: "granted",
    requestId,
    grant: {
      leaseId,
      hostId,
      hostUrl: host.registration.url,
      hostAgreementKey: host.registration.agreementKey,
      runId: host.runs[0]?.id ?? "",
      attempt: request.attempt,
      queuedMs: now - queuedAt,
      expiresAt,
      decision,
    },
  };
}

function refuseOverflow(fleet: Fleet, now: number): Effect[] {
  const surplus = fleet.queue.splice(fleet.settings.queueLimit);
  return surplus.map(({ request: { requestId } }, index) => ({
    type: "refused",
    requestId,
    refusal: {
      ...refusal(fleet, "queue_full", "as many requests wait as the queue holds", now),
      queue: placeInQueue(fleet, fleet.queue.length + index + 1, now),
    },
  }));
}

function placementKey({ model, needs, principal, pinnedHost, exclude, kind }: LeaseRequest): string {
  return JSON.stringify([model, needs, principal.pool, pinnedHost, exclude, kind === "control"]);
}
