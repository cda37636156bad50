// How many requests of a tenant run or wait in a fleet.
import type { Fleet } from "../state.ts";

/** Counts leases by the tag that their ids end in, for those learned from heartbeats name no tenant, and who waits. */
export function countUnderWay(fleet: Fleet, tenant: string, leaseTag: string): number {
  let count = 0;
  for (const leaseId of fleet.leases.keys()) if (leaseId.endsWith(leaseTag)) count += 1;
  for (const { request } of fleet.queue.waiting.values()) if (request.principal.tenant === tenant) count += 1;
  return count;
}
