// Leases: counted per host and per model, and ended by settling, by heartbeats that miss them, or by their deadline.
import type { Outcome } from "../wire/lease.ts";
import type { Effect } from "./events.ts";
import { recordError, recordFailure, recordRefusal, recordServed } from "./failures.ts";
import { countSettled } from "./queue.ts";
import { beginWork, endWork, keepWork } from "./runners.ts";
import type { Fleet, FleetBeat, Host, Lease } from "./state.ts";

/** A heartbeat may have been written before the request reached its host. */
const GRANT_TRAVEL_MS = 1_000;
const MISSED_HEARTBEATS = 2;
/** A heartbeat may have been written before the end of a lease reached its host. */
const STOPPING_MS = 1_000;
/** A heartbeat written before the end of a lease must not bring it back; tokens of heartbeats live for 30 s. */
const TOMBSTONE_MS = 60_000;
/** Ended work that waits to be reported by a heartbeat, 0.7 KB each: more than 1,500 leases a second leave in one interval. */
const UNREPORTED_MAX = 10_000;

/** Counts the slots of a host: what it reports, at most what its operator allows. */
export function slotsOf(host: Host): number {
  const reported = host.heard?.beat.slots ?? 0;
  return Math.min(reported, host.registration.slots ?? reported);
}

/** Counts how many more requests a host can take for a model. */
export function freeSlots(host: Host, model: string | undefined): number {
  const free = slotsOf(host) - host.slotsUsed;
  if (model === undefined) return Math.max(0, free);
  return Math.max(0, Math.min(free, parallelOf(host) - (host.usedByModel.get(model) ?? 0)));
}

/** Counts the most requests at once for one model: what the agent says, or less where the host let requests wait. */
export function parallelOf(host: Host): number {
  return Math.min(host.heard?.beat.parallel ?? 0, host.slots.limit);
}

/** Adds a lease to the counts of its host. */
export function addLease(fleet: Fleet, host: Host, lease: Lease): void {
  fleet.leases.set(lease.id, lease);
  host.leases.set(lease.id, lease);
  count(host, lease, 1);
  beginWork(fleet, host, lease, lease.grantedAt);
}

/** Takes a lease out of the counts, if it is still there. */
export function endLease(fleet: Fleet, lease: Lease, read = false): void {
  const host = fleet.hosts.get(lease.hostId);
  fleet.leases.delete(lease.id);
  if (host?.leases.delete(lease.id) !== true) return;
  count(host, lease, -1);
  endWork(fleet, host, lease, read);
  fleet.touched.add(host);
}

/** Ends all leases of a host: it is dead, gone, or another run. */
export function voidLeases(fleet: Fleet, host: Host): void {
  for (const lease of host.leases.values()) endLease(fleet, lease);
}

/** Ends a lease with its outcome; a lease the fleet does not know is only remembered as settled. */
export function settleLease(fleet: Fleet, leaseId: string, outcome: Outcome, now: number): void {
  bury(fleet, leaseId, now);
  const lease = fleet.leases.get(leaseId) ?? fleet.unsettled.get(leaseId)?.lease;
  if (lease === undefined) return;
  fleet.unsettled.delete(leaseId);
  if (!lease.control) countSettled(fleet, now);
  const host = fleet.hosts.get(lease.hostId);
  const read = hasRead(lease, outcome, now);
  endLease(fleet, lease, read);
  if (host === undefined) return;
  if (read && lease.work !== undefined) keepWork(fleet, host, lease.work, now);
  recordOutcome(fleet, { host, lease, outcome }, now);
}

interface Settled {
  readonly host: Host;
  readonly lease: Lease;
  readonly outcome: Outcome;
}

/** What an outcome says of its host. */
function recordOutcome(fleet: Fleet, { host, lease, outcome }: Settled, now: number): void {
  switch (outcome.type) {
    case "served":
      return recordServed(host);
    case "host-failed":
      return recordFailure(fleet, host, lease, now);
    case "host-erred":
      return recordError(fleet, host, now);
    case "host-refused":
      return recordRefusal(fleet, host, now);
    case "client-left":
      return;
  }
}

/** Keeps heartbeats from bringing a lease back; the newest stand last. */
function bury(fleet: Fleet, leaseId: string, now: number): void {
  fleet.tombstones.delete(leaseId);
  fleet.tombstones.set(leaseId, now);
}

/** Whoever leaves while the answer is written leaves a prompt that was read. */
function hasRead({ work }: Lease, { type }: Outcome, now: number): boolean {
  return type === "served" || (type === "client-left" && work !== undefined && now > work.firstTokenAt);
}

/** Brings the leases of a host in line with what it lists: the host is the truth about what runs. Answers orders to stop. */
export function reconcileLeases(fleet: Fleet, host: Host, beat: FleetBeat, now: number): Effect[] {
  // An edge whose client has left may be cut short before it settles; how else a lease has ended is for the edge to say.
  for (const { id, outcome } of beat.finished)
    if (outcome === "cancelled" && host.leases.has(id)) settleLease(fleet, id, { type: "client-left" }, now);
  const listed = new Set(beat.active.map(({ id }) => id));
  const served = new Set(beat.finished.filter(({ outcome }) => outcome === "served").map(({ id }) => id));
  for (const lease of host.leases.values()) {
    if (listed.has(lease.id)) {
      lease.listed = true;
    } else if (lease.listed || isMissing(lease, now)) {
      endLease(fleet, lease, served.has(lease.id));
      // The edge may be about to say how: a heartbeat that came first must not hide that the host has failed.
      fleet.unsettled.set(lease.id, { lease, endedAt: now });
    }
  }
  for (const { id, model } of beat.active) adoptLease(fleet, host, { id, model }, now);
  return stopEnded(fleet, host, beat, now);
}

/** Proof of cancel: what has ended and is still at work a while later is to be stopped once more. */
function stopEnded(fleet: Fleet, host: Host, beat: FleetBeat, now: number): Effect[] {
  const hostId = host.registration.id;
  return beat.active.flatMap(({ id: leaseId }): Effect[] => {
    const endedAt = fleet.tombstones.get(leaseId);
    if (endedAt === undefined || now - endedAt < STOPPING_MS) return [];
    return [{ type: "order", hostId, order: { type: "cancel", leaseId } }];
  });
}

/** Ends leases whose time is up, and tells their hosts to stop. */
export function expireLeases(fleet: Fleet, now: number): Effect[] {
  const effects: Effect[] = [];
  for (const lease of fleet.leases.values()) {
    if (lease.expiresAt > now) break;
    endLease(fleet, lease);
    bury(fleet, lease.id, now);
    effects.push({ type: "order", hostId: lease.hostId, order: { type: "cancel", leaseId: lease.id } });
  }
  return effects;
}

/** Forgets settled leases that no heartbeat can bring back any more, and what edge or host have not told of ended ones. */
export function forgetTombstones(fleet: Fleet, now: number): void {
  for (const [leaseId, { endedAt }] of fleet.ended) {
    if (endedAt + TOMBSTONE_MS > now && fleet.ended.size <= UNREPORTED_MAX) break;
    fleet.ended.delete(leaseId);
  }
  for (const [leaseId, { endedAt }] of fleet.unsettled) {
    if (endedAt + TOMBSTONE_MS > now && fleet.unsettled.size <= UNREPORTED_MAX) break;
    fleet.unsettled.delete(leaseId);
  }
  for (const [leaseId, settledAt] of fleet.tombstones) {
    if (settledAt + TOMBSTONE_MS > now) break;
    fleet.tombstones.delete(leaseId);
  }
}

function isMissing(lease: Lease, now: number): boolean {
  if (now - lease.grantedAt < GRANT_TRAVEL_MS) return false;
  lease.missed += 1;
  return lease.missed >= MISSED_HEARTBEATS;
}

function adoptLease(fleet: Fleet, host: Host, active: { id: string; model: string }, now: number): void {
  if (fleet.leases.has(active.id) || fleet.tombstones.has(active.id)) return;
  // It holds no slot, so that nothing is to be counted; and it may last longer than a request, as an upload does.
  if (active.model === "") return;
  if (freeSlots(host, active.model) === 0) return;
  addLease(fleet, host, {
    id: active.id,
    hostId: host.registration.id,
    model: active.model,
    control: false,
    grantedAt: now,
    expiresAt: now + fleet.settings.leaseDeadlineMs,
    listed: true,
    missed: 0,
  });
}

function count(host: Host, lease: Lease, change: 1 | -1): void {
  if (lease.control) return;
  host.slotsUsed += change;
  host.changes += 1;
  if (lease.model === undefined) return;
  const used = (host.usedByModel.get(lease.model) ?? 0) + change;
  if (used === 0) host.usedByModel.delete(lease.model);
  else host.usedByModel.set(lease.model, used);
}
