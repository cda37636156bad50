// What the passing of time alone brings: hosts that die unheard, and when the fleet wants to be woken for the next thing due.
import { voidLeases } from "./leases.ts";
import { deadAfterMs, statusOf } from "./liveness.ts";
import { nextExpiryAt } from "./queue.ts";
import type { Fleet } from "./state.ts";

/** Ends the leases of hosts that have died. */
export function buryDead(fleet: Fleet, now: number): void {
  for (const host of fleet.heard) {
    if (statusOf(fleet, host, now) !== "dead") return;
    voidLeases(fleet, host);
    fleet.heard.delete(host);
  }
}

/** Whether the mere passing of time has changed what waiting requests should be told. */
export function isDue(fleet: Fleet, now: number): boolean {
  const wakeAt = fleet.queue.waiting.size === 0 ? undefined : nextWakeAt(fleet);
  return wakeAt !== undefined && wakeAt <= now;
}

/** Tells when the fleet next wants a tick, epoch ms, later than its last event; undefined if nothing is due. */
export function nextWakeAt(fleet: Fleet): number | undefined {
  const { steppedAt, createdAt, settings, queue } = fleet;
  const waiting = queue.waiting.size > 0;
  let wakeAt = nextDeathAt(fleet);
  if (waiting) wakeAt = Math.min(wakeAt, nextRecoveryAt(fleet));
  for (const at of [
    nextLeaseEndAt(fleet),
    nextExpiryAt(fleet),
    fleet.retryHeldAt,
    waiting ? createdAt + settings.warmUpMs : undefined,
  ]) {
    if (at !== undefined && at > steppedAt && at < wakeAt) wakeAt = at;
  }
  return wakeAt === Infinity ? undefined : wakeAt;
}

function nextLeaseEndAt({ leases }: Fleet): number | undefined {
  for (const { expiresAt } of leases.values()) return expiresAt;
  return undefined;
}

function nextDeathAt(fleet: Fleet): number {
  for (const { heard } of fleet.heard) {
    const at = (heard?.heardAt ?? -Infinity) + deadAfterMs(fleet);
    if (at > fleet.steppedAt) return at;
  }
  return Infinity;
}

/** When the next host may be tried again that has failed or turned a request away. */
function nextRecoveryAt({ faltering, steppedAt }: Fleet): number {
  let next = Infinity;
  for (const host of faltering) {
    const { failure, refusedUntil } = host;
    if (failure !== undefined && failure.retryAt > steppedAt) next = Math.min(next, failure.retryAt);
    if (refusedUntil > steppedAt) next = Math.min(next, refusedUntil);
    else if (failure === undefined) faltering.delete(host);
  }
  return next;
}
