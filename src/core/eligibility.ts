// Which hosts may take a request, and for each of the others why not. What changes rarely is judged once for all alike.
import type { LeaseRequest } from "../wire/lease.ts";
import { majorityDigest } from "./digests.ts";
import { backoffReason } from "./failures.ts";
import { deadAfterMs, isLeaving, isUnproven, servingBeat, statusOf } from "./liveness.ts";
import { isQuarantined, quarantinedUntil } from "./rivals.ts";
import { newRooms } from "./room.ts";
import type { Rooms } from "./room.ts";
import type { Fleet, FleetModel, Host } from "./state.ts";

/** Why a host cannot take a request; in the order in which they are looked for. */
export type Reason =
  | "other_pool"
  | "not_pinned"
  | "unheard"
  | "model_missing"
  | "capability_missing"
  | "dead"
  | "unproven"
  | "quarantined"
  | "drained"
  | "backend_down"
  | "other_digest"
  | "excluded"
  | "refused_recently"
  | "backing_off"
  | "probing"
  | "other_options"
  | "full";

export interface Verdict {
  readonly host: Host;
  readonly reason: Reason;
}

/** The hosts that may take requests of one kind, as long as nothing changes but their load. */
export interface Field {
  readonly hosts: readonly Host[];
  readonly rooms: Rooms;
  readonly out: readonly Verdict[];
  /** The fleet's when this was judged. */
  readonly version: number;
  /** The first host not heard again by then is dead. */
  readonly validUntil: number;
}

/** Judges every host by what does not change with each lease. */
export function judgeHosts(fleet: Fleet, request: LeaseRequest, now: number): Field {
  const digest = request.pinnedHost === undefined ? digestToServe(fleet, request, now) : undefined;
  const hosts: Host[] = [];
  const out: Verdict[] = [];
  let validUntil = Infinity;
  for (const host of fleet.hosts.values()) {
    const reason =
      reasonOutside(host, request) ??
      reasonUnable(host, request) ??
      reasonOffline(fleet, host, now) ??
      (isOtherDigest(host, request, digest) ? "other_digest" : undefined);
    if (reason === undefined) hosts.push(host);
    else out.push({ host, reason });
    if (host.heard !== undefined && reason !== "dead")
      validUntil = Math.min(validUntil, host.heard.heardAt + deadAfterMs(fleet));
    if (reason === "quarantined") validUntil = Math.min(validUntil, quarantinedUntil(host));
  }
  // The fastest first: of many hosts not all are looked at closely.
  hosts.sort((a, b) => speedOf(b) - speedOf(a));
  return { hosts, rooms: newRooms(hosts, request), out, version: fleet.version, validUntil };
}

function speedOf({ speed }: Host): number {
  return speed.decode.samples === 0 ? Infinity : speed.decode.value;
}

/** Tells why a host of the field gets no lease at this moment although it has room, if so. */
export function reasonNotNow(host: Host, request: LeaseRequest, now: number): Reason | undefined {
  if (request.exclude.length > 0 && request.exclude.includes(host.registration.id)) return "excluded";
  return backoffReason(host, now);
}

/** Tells whether a principal's pool covers a host's. */
export function inPool(pool: string, host: Host): boolean {
  return pool === "*" || pool === host.registration.pool;
}

function reasonOutside(host: Host, { principal, pinnedHost, model }: LeaseRequest): Reason | undefined {
  if (!inPool(principal.pool, host)) return "other_pool";
  if (pinnedHost !== undefined && pinnedHost !== host.registration.id) return "not_pinned";
  if (host.heard !== undefined) return undefined;
  // Asleep, and known from before: it will not wake up with another model.
  const lacks = model !== undefined && host.models.size > 0 && !host.models.has(model);
  return lacks ? "model_missing" : "unheard";
}

function reasonUnable(host: Host, { model, needs, cloud }: LeaseRequest): Reason | undefined {
  if (cloud === true && host.heard?.beat.cloud !== true) return "capability_missing";
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
  if (isLeaving(host)) return "drained";
  if (isUnproven(host)) return "unproven";
  if (isQuarantined(host, now)) return "quarantined";
  return host.heard?.beat.backend === "up" ? undefined : "backend_down";
}

function isOtherDigest(host: Host, { model }: LeaseRequest, digest: string | undefined): boolean {
  return model !== undefined && digest !== undefined && host.models.get(model)?.digest !== digest;
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
