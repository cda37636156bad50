// Which requests make a host load a model: what is not in memory, or is there with other runner options.
import type { LeaseRequest } from "../../wire/lease.ts";
import { inPool } from "../eligibility.ts";
import { servingBeat } from "../liveness.ts";
import type { Fleet, Host } from "../state.ts";

/** Tells whether no host of the tenant's pool has the model in memory as the request wants it, or is loading it so. */
export function wouldLoad(fleet: Fleet, request: LeaseRequest, now: number): boolean {
  const { model, principal, runner, kind } = request;
  if (model === undefined || kind === "control") return false;
  // What one request unloads the next must load.
  if (request.unloads === true) return true;
  for (const host of fleet.hosts.values()) {
    if (!inPool(principal.pool, host) || servingBeat(fleet, host, now) === undefined) continue;
    if (isThere(host, model, runner)) return false;
  }
  return true;
}

function isThere(host: Host, model: string, options: string): boolean {
  for (const runner of host.runners.values()) {
    if (runner.model !== model || runner.options !== options) continue;
    if (runner.resident || runner.leases.size > 0) return true;
  }
  return false;
}
