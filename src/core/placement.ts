// Where a request goes: to a host the policy chooses, back to its client with a refusal, or on waiting.
import type { ErrorCode } from "../wire/errors.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import { explain } from "./decision.ts";
import type { StepContext } from "./events.ts";
import { reasonNotNow, roomFor } from "./eligibility.ts";
import type { Field, Reason, Verdict } from "./eligibility.ts";
import { forecast, needOf } from "./forecast.ts";
import type { Need } from "./forecast.ts";
import { isSuspect } from "./liveness.ts";
import type { Candidate, Choice, Policy } from "./policy/policy.ts";
import { policyFor } from "./policy/table.ts";
import type { Decision } from "../wire/lease.ts";
import type { Fleet, Host, Waiting } from "./state.ts";

export type Placement =
  | { readonly type: "host"; readonly host: Host; readonly decision: Decision; readonly need: Need | undefined }
  | { readonly type: "refuse"; readonly code: ErrorCode; readonly detail: string }
  /** `heldFor`: a busy host, by choice. */
  | { readonly type: "wait"; readonly heldFor?: Host | undefined };

/** The hosts of a field as they are now. */
interface Sorted {
  /** With room. */
  readonly free: Host[];
  /** With room, but not heard for a while or failing. */
  readonly suspect: Host[];
  readonly full: Host[];
  readonly out: Verdict[];
}

/** Places a request: suspect hosts are asked only if no other can take it now. */
export function place(fleet: Fleet, waiting: Waiting, field: Field, context: StepContext): Placement {
  const { request } = waiting;
  const sorted = sortHosts(fleet, field, request, context.now);
  const free = sorted.free.length > 0 ? sorted.free : sorted.suspect;
  if (free.length === 0) return sorted.full.length > 0 ? { type: "wait" } : whyNot(fleet, request, field, sorted);
  const policy = policyFor(fleet, request.model);
  const tier = policy.looksAhead === true ? [...free, ...sorted.full] : free;
  const need = needOf(fleet, request, context.now);
  const candidates = tier.map((host) => describe(fleet, host, request, policy.looksAhead === true ? need : undefined));
  const choice = policy.choose(candidates, {
    random: context.random,
    previous: fleet.lastChosen.get(request.model ?? ""),
    waitedMs: context.now - waiting.queuedAt,
  });
  const host = chosenOf(tier, choice, policy);
  if (candidates[choice.index]?.freeSlots === 0) return { type: "wait", heldFor: host };
  const others = sorted.free.length > 0 ? sorted.suspect.map((one) => ({ host: one, reason: "suspect" as const })) : [];
  const full = policy.looksAhead === true ? [] : sorted.full.map((one) => ({ host: one, reason: "full" as const }));
  const filtered = [...field.out, ...sorted.out, ...others, ...full];
  return { type: "host", host, need, decision: explain({ policy, host, candidates, choice, filtered, request }) };
}

function chosenOf(tier: readonly Host[], choice: Choice, policy: Policy): Host {
  const host = tier[choice.index];
  if (host === undefined) throw new RangeError(`policy ${policy.name} chose ${choice.index} of ${tier.length}`);
  return host;
}

function sortHosts(fleet: Fleet, field: Field, request: LeaseRequest, now: number): Sorted {
  const sorted: Sorted = { free: [], suspect: [], full: [], out: [] };
  for (const host of field.hosts) {
    const reason = reasonNotNow(host, request, now);
    if (reason !== undefined) sorted.out.push({ host, reason });
    else if (roomFor(host, request) === 0) sorted.full.push(host);
    else if (isSuspect(fleet, host, now)) sorted.suspect.push(host);
    else sorted.free.push(host);
  }
  return sorted;
}

function describe(fleet: Fleet, host: Host, request: LeaseRequest, need: Need | undefined): Candidate {
  const { model } = request;
  const freeSlots = roomFor(host, request);
  return {
    hostId: host.registration.id,
    freeSlots,
    active: host.slotsUsed,
    loaded: model !== undefined && host.loaded.has(model),
    forecast: need === undefined ? undefined : forecast(fleet, host, need, freeSlots > 0),
  };
}

/** These hosts will never take the request; what remains once they are taken away tells what to answer. */
const ELSEWHERE: ReadonlySet<Reason> = new Set(["other_pool", "not_pinned"]);
const OFFLINE: ReadonlySet<Reason> = new Set(["dead", "drained", "backend_down"]);

function whyNot(fleet: Fleet, request: LeaseRequest, field: Field, sorted: Sorted): Placement {
  const { pinnedHost } = request;
  const verdicts = [...field.out, ...sorted.out];
  if (verdicts.length === 0) return refuse("no_host", "no host is registered");
  if (pinnedHost !== undefined && !fleet.hosts.has(pinnedHost)) return refuse("unknown_host", "no such host");
  const reasons = verdicts.flatMap(({ reason }) => (ELSEWHERE.has(reason) ? [] : [reason]));
  if (reasons.length === 0) return refuse("no_host", "no registered host is open to this token");
  const warmingUp = fleet.steppedAt < fleet.createdAt + fleet.settings.warmUpMs;
  if (warmingUp && reasons.includes("unheard")) return { type: "wait" };
  const heard = reasons.filter((reason) => reason !== "unheard");
  if (heard.length === 0) return refuse("no_host", "no registered host has been heard");
  return whyNotHeard(request.model !== undefined, heard);
}

function whyNotHeard(named: boolean, heard: readonly Reason[]): Placement {
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

function refuse(code: ErrorCode, detail: string): Placement {
  return { type: "refuse", code, detail };
}
