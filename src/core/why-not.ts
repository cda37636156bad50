// Why no host can take a request: what its client is told, or that the request had better wait.
import type { ErrorCode } from "../wire/errors.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import { inPool } from "./eligibility.ts";
import type { Reason, Verdict } from "./eligibility.ts";
import type { Fleet } from "./state.ts";

export type InVain =
  | { readonly type: "refuse"; readonly code: ErrorCode; readonly detail: string }
  | { readonly type: "wait" };

/** These hosts will never take the request; what remains once they are taken away tells what to answer. */
const ELSEWHERE: ReadonlySet<Reason> = new Set(["other_pool", "not_pinned"]);
const OFFLINE: ReadonlySet<Reason> = new Set(["dead", "drained", "backend_down"]);

/** Tells what becomes of a request that no host has taken, given what kept each host out. */
export function whyNot(fleet: Fleet, request: LeaseRequest, verdicts: readonly Verdict[]): InVain {
  const { pinnedHost } = request;
  const { hostsMayCome } = fleet.settings;
  if (verdicts.length === 0) return hostsMayCome ? { type: "wait" } : refuse("no_host", "no host is registered");
  if (pinnedHost !== undefined && !isKnown(fleet, request, pinnedHost)) return refuse("unknown_host", "no such host");
  const reasons = verdicts.flatMap(({ reason }) => (ELSEWHERE.has(reason) ? [] : [reason]));
  if (reasons.length === 0) return refuse("no_host", "no registered host is open to this token");
  const warmingUp = fleet.steppedAt < fleet.createdAt + fleet.settings.warmUpMs;
  if (warmingUp && reasons.includes("unheard")) return { type: "wait" };
  const heard = reasons.filter((reason) => reason !== "unheard");
  if (hostsMayCome && isForWantOfHosts(reasons)) return { type: "wait" };
  if (heard.length === 0) return refuse("no_host", "no registered host has been heard");
  return whyNotHeard(request.model !== undefined, heard);
}

/** Another pool's host is no other than one that never was. */
function isKnown(fleet: Fleet, { principal }: LeaseRequest, hostId: string): boolean {
  const host = fleet.hosts.get(hostId);
  return host !== undefined && inPool(principal.pool, host);
}

/** No host that is there could ever take the request, but one that is not there might. */
function isForWantOfHosts(reasons: readonly Reason[]): boolean {
  const here = reasons.filter((reason) => !AWAY.has(reason));
  return here.length < reasons.length && here.every((reason) => reason === "model_missing");
}

const AWAY: ReadonlySet<Reason> = new Set(["unheard", "dead", "drained"]);

function whyNotHeard(named: boolean, heard: readonly Reason[]): InVain {
  const holders = heard.filter((reason) => reason !== "model_missing");
  if (holders.length === 0) return refuse("unknown_model", "no host has the model");
  const capable = holders.filter((reason) => reason !== "capability_missing");
  if (capable.length === 0) return refuse("missing_capability", "the model lacks a capability the request needs");
  const online = capable.filter((reason) => !OFFLINE.has(reason));
  if (online.length === 0) {
    return named
      ? refuse("model_offline", "every host that has the model is offline")
      : refuse("no_host", "every host is offline");
  }
  const untried = online.filter((reason) => reason !== "excluded" && reason !== "other_digest");
  return untried.length === 0 ? refuse("attempts_failed", "every host that could answer has failed") : { type: "wait" };
}

function refuse(code: ErrorCode, detail: string): InVain {
  return { type: "refuse", code, detail };
}
