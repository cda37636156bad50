// Which requests make a host load a model: what is not in memory, or is there with other runner options.
import type { LeaseRequest } from "../../wire/lease.ts";
import { inPool } from "../eligibility.ts";
import { servingBeat } from "../liveness.ts";
import type { Fleet, FleetBeat, Host } from "../state.ts";

/** Tells whether no host of the tenant's pool has the model in memory as the request wants it, or is loading it so. */
export function wouldLoad(fleet: Fleet, request: LeaseRequest, now: number): boolean {
  const { model, principal, runner, kind } = request;
  if (model === undefined || kind === "control") return false;
  // What one request unloads the next must load.
  if (request.unloads === true) return true;
  for (const host of fleet.hosts.values()) {
    if (!inPool(principal.pool, host)) continue;
    const beat = servingBeat(fleet, host, now);
    if (beat !== undefined && (isThere(host, model, runner) || isBeingLoaded(beat, model, runner))) return false;
  }
  return true;
}

/** A load goes on when the request that began it is gone: whoever asks again causes no other. */
function isBeingLoaded({ loading = [] }: FleetBeat, model: string, options: string): boolean {
  return loading.some((load) => load.model === model && load.runner === options);
}

function isThere(host: Host, model: string, options: string): boolean {
  for (const runner of host.runners.values()) {
    if (runner.model !== model || runner.options !== options) continue;
    if (runner.resident || runner.work.length > 0) return true;
  }
  return false;
}
