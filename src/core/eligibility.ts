// Which hosts may take a request, and for each of the others why not.
import type { LeaseRequest } from "../wire/lease.ts";
import { majorityDigest } from "./digests.ts";
import { backoffReason } from "./failures.ts";
import { freeSlots } from "./leases.ts";
import { servingBeat, statusOf } from "./liveness.ts";
import type { Fleet, FleetModel, Host } from "./state.ts";

/** Why a host cannot take a request; in the order in which they are looked for. */
export type Reason =
  | "other_pool"
  | "not_pinned"
  | "unheard"
  | "model_missing"
  | "capability_missing"
  | "dead"
  | "drained"
  | "backend_down"
  | "excluded"
  | "other_digest"
  | "refused_recently"
  | "backing_off"
  | "probing"
  | "full";

export interface Verdict {
  readonly host: Host;
  readonly reason?: Reason | undefined;
}

/** Judges every host of the fleet for a request. */
export function judgeHosts(fleet: Fleet, request: LeaseRequest, now: number): Verdict[] {
  const digest = request.pinnedHost === undefined ? digestToServe(fleet, request, now) : undefined;
  return [...fleet.hosts.values()].map((host) => ({
    host,
    reason:
      reasonOutside(host, request) ??
      reasonUnable(host, request) ??
      reasonOffline(fleet, host, now) ??
      reasonNotNow(host, request, { digest, now }),
  }));
}

/** Tells whether a principal's pool covers a host's. */
export function inPool(pool: string, host: Host): boolean {
  return pool === "*" || pool === host.registration.pool;
}

function reasonOutside(host: Host, { principal, pinnedHost }: LeaseRequest): Reason | undefined {
  if (!inPool(principal.pool, host)) return "other_pool";
  if (pinnedHost !== undefined && pinnedHost !== host.registration.id) return "not_pinned";
  return host.heard === undefined ? "unheard" : undefined;
}

function reasonUnable(host: Host, { model, needs }: LeaseRequest): Reason | undefined {
  if (model === undefined) return undefined;
  const copy = host.models.get(model);
  if (copy === undefined) return "model_missing";
  return isCapable(copy, needs) ? undefined : "capability_missing";
}

/** An Ollama too old to list capabilities lists none: it then judges the request itself. */
function isCapable({ capabilities }: FleetModel, needs: readonly string[]): boolean {
  return capabilities.length === 0 || needs.every((need) => capabilities.includes(need));
}

function reasonOffline(fleet: Fleet, host: Host, now: number): Reason | undefined {
  if (statusOf(fleet, host, now) === "dead") return "dead";
  if (host.drained) return "drained";
  return host.heard?.beat.backend === "up" ? undefined : "backend_down";
}

function reasonNotNow(
  host: Host,
  { model, kind, exclude }: LeaseRequest,
  { digest, now }: { digest: string | undefined; now: number },
): Reason | undefined {
  if (exclude.includes(host.registration.id)) return "excluded";
  if (model !== undefined && digest !== undefined && host.models.get(model)?.digest !== digest) return "other_digest";
  const backoff = backoffReason(host, now);
  if (backoff !== undefined) return backoff;
  return kind !== "control" && freeSlots(host, model) === 0 ? "full" : undefined;
}

function digestToServe(fleet: Fleet, { model, principal }: LeaseRequest, now: number): string | undefined {
  if (model === undefined) return undefined;
  const copies: FleetModel[] = [];
  let differ = false;
  for (const host of fleet.hosts.values()) {
    const copy = host.models.get(model);
    if (copy === undefined || !inPool(principal.pool, host) || servingBeat(fleet, host, now) === undefined) continue;
    differ ||= copies.length > 0 && copies[0]?.digest !== copy.digest;
    copies.push(copy);
  }
  // Nearly always all copies are one model, and ranking them would cost more than the rest of a placement.
  return differ ? majorityDigest(copies) : copies[0]?.digest;
}
