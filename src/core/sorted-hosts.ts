// The hosts that a request may go to, as they are at this moment: with room, in doubt, full, or out for a while.
import type { LeaseRequest } from "../wire/lease.ts";
import { reasonNotNow } from "./eligibility.ts";
import type { Field, Verdict } from "./eligibility.ts";
import { isSuspect } from "./liveness.ts";
import { roomAt } from "./room.ts";
import type { Fleet, Host } from "./state.ts";

export interface Sorted {
  /** With room. */
  readonly free: Host[];
  /** With room, but not heard for a while or failing. */
  readonly suspect: Host[];
  readonly full: Host[];
  readonly out: Verdict[];
}

/** Sorts the hosts of a field, each kind in its order. */
export function sortHosts(fleet: Fleet, field: Field, request: LeaseRequest, now: number): Sorted {
  const sorted: Sorted = { free: [], suspect: [], full: [], out: [] };
  const sound = request.exclude.length === 0 && isSound(fleet, now);
  const { hosts, rooms } = field;
  for (let place = 0; place < hosts.length; place += 1) {
    const host = hosts[place];
    if (host === undefined) continue;
    const reason = sound ? undefined : reasonNotNow(host, request, now);
    if (reason !== undefined) sorted.out.push({ host, reason });
    else if (roomAt(rooms, place) === 0) sorted.full.push(host);
    else if (!sound && isSuspect(fleet, host, now)) sorted.suspect.push(host);
    else sorted.free.push(host);
  }
  return sorted;
}

/** Whether no host at all is in doubt: none falters, and the one that was heard the longest ago was heard in time. */
function isSound(fleet: Fleet, now: number): boolean {
  if (fleet.faltering.size > 0) return false;
  for (const host of fleet.heard) return !isSuspect(fleet, host, now);
  return true;
}
