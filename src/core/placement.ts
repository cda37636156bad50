// Where a request goes: to a host the policy chooses, back to its client with a refusal, or on waiting.
import type { ErrorCode } from "../wire/errors.ts";
import type { CandidateView, Decision, LeaseRequest } from "../wire/lease.ts";
import type { StepContext } from "./events.ts";
import { judgeHosts } from "./eligibility.ts";
import type { Reason, Verdict } from "./eligibility.ts";
import { freeSlots } from "./leases.ts";
import { statusOf } from "./liveness.ts";
import type { Choice } from "./policy/policy.ts";
import { POLICIES } from "./policy/table.ts";
import type { Fleet, Host } from "./state.ts";

export type Placement =
  | { readonly type: "host"; readonly host: Host; readonly decision: Decision }
  | { readonly type: "refuse"; readonly code: ErrorCode; readonly detail: string }
  | { readonly type: "wait" };

/** Places a request: suspect hosts are asked only if no other can take it now. */
export function place(fleet: Fleet, request: LeaseRequest, context: StepContext): Placement {
  const verdicts = judgeHosts(fleet, request, context.now);
  const able = verdicts.filter(({ reason }) => reason === undefined).map(({ host }) => host);
  const alive = able.filter((host) => statusOf(fleet, host, context.now) === "alive");
  const tier = alive.length > 0 ? alive : able;
  if (tier.length > 0) return choose(fleet, request, { verdicts, tier, random: context.random });
  return whyNot(fleet, request, verdicts, context.now);
}

interface Field {
  readonly verdicts: readonly Verdict[];
  readonly tier: readonly Host[];
  readonly random: () => number;
}

function choose(fleet: Fleet, request: LeaseRequest, { verdicts, tier, random }: Field): Placement {
  const policy = POLICIES[fleet.settings.policy];
  const candidates = tier.map((host) => ({
    hostId: host.registration.id,
    freeSlots: freeSlots(host, request.model),
    active: host.slotsUsed,
    loaded: request.model !== undefined && host.loaded.has(request.model),
  }));
  const choice = policy.choose(candidates, { random, previous: fleet.lastChosen.get(request.model ?? "") });
  const host = tier[choice.index];
  if (host === undefined) throw new RangeError(`policy ${policy.name} chose ${choice.index} of ${tier.length}`);
  const views = verdicts.map((verdict) => viewCandidate(verdict, request, tier, choice));
  return { type: "host", host, decision: { policy: policy.name, chosen: host.registration.id, candidates: views } };
}

function viewCandidate(
  { host, reason }: Verdict,
  request: LeaseRequest,
  tier: readonly Host[],
  choice: Choice,
): CandidateView {
  const base = { hostId: host.registration.id, freeSlots: freeSlots(host, request.model) };
  if (reason !== undefined) return { ...base, filtered: reason };
  const index = tier.indexOf(host);
  if (index === -1) return { ...base, filtered: "suspect" };
  const scored = choice.scores[index];
  return scored === undefined ? base : { ...base, score: scored.score, parts: scored.parts };
}

/** These hosts will never take the request; what remains once they are taken away tells what to answer. */
const ELSEWHERE: ReadonlySet<Reason> = new Set(["other_pool", "not_pinned"]);
const OFFLINE: ReadonlySet<Reason> = new Set(["dead", "drained", "backend_down"]);

function whyNot(fleet: Fleet, request: LeaseRequest, verdicts: readonly Verdict[], now: number): Placement {
  const { pinnedHost } = request;
  if (verdicts.length === 0) return refuse("no_host", "no host is registered");
  if (pinnedHost !== undefined && !fleet.hosts.has(pinnedHost)) return refuse("unknown_host", "no such host");
  const reasons = verdicts.flatMap(({ reason }) => (reason === undefined || ELSEWHERE.has(reason) ? [] : [reason]));
  if (reasons.length === 0) return refuse("no_host", "no registered host is open to this token");
  const warmingUp = now < fleet.createdAt + fleet.settings.warmUpMs;
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
