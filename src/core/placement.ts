// Where a request goes: to a host the policy chooses, back to its client with a refusal, or on waiting.
import type { ErrorCode } from "../wire/errors.ts";
import type { CandidateView, LeaseRequest } from "../wire/lease.ts";
import { explain } from "./decision.ts";
import type { Explained } from "./decision.ts";
import type { StepContext } from "./events.ts";
import { reasonNotNow, roomFor } from "./eligibility.ts";
import type { Field, Reason, Verdict } from "./eligibility.ts";
import { costOn, costOnBusy, forecast, needOf } from "./forecast.ts";
import type { Need } from "./forecast.ts";
import { assumeRead, matchPrefixes, matchRunner, matchedBytes } from "./prefixes.ts";
import { runnerKey, runnerOf } from "./runners.ts";
import { isSuspect } from "./liveness.ts";
import type { Candidate } from "./policy/policy.ts";
import { policyFor } from "./policy/table.ts";
import type { Decision } from "../wire/lease.ts";
import type { Fleet, Host, Waiting } from "./state.ts";

export type Placement =
  | { readonly type: "host"; readonly host: Host; readonly decision: Decision; readonly need: Need | undefined }
  | { readonly type: "refuse"; readonly code: ErrorCode; readonly detail: string }
  /** `held`: for a busy host, by choice. */
  | { readonly type: "wait"; readonly held?: { readonly host: Host; readonly score: number } | undefined };

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
  const sorted = sortHosts(fleet, field, waiting.request, context.now);
  if (sorted.free.length + sorted.suspect.length > 0) return choose(fleet, waiting, { field, sorted }, context);
  return sorted.full.length > 0 ? { type: "wait" } : whyNot(fleet, waiting.request, field, sorted);
}

interface Scene {
  readonly field: Field;
  readonly sorted: Sorted;
}

function choose(fleet: Fleet, waiting: Waiting, scene: Scene, context: StepContext): Placement {
  const { request, queuedAt } = waiting;
  const policy = policyFor(fleet, request.model);
  const need = needOf(fleet, waiting, context.now);
  if (need !== undefined) matchPrefixes(fleet.prefixes, request, need.stamp);
  const shown = show(fleet, request, scene.sorted, policy.looksAhead === true ? need : undefined);
  const { candidates, hosts } = shown;
  const choice = policy.choose(candidates, {
    random: context.random,
    previous: fleet.lastChosen.get(request.model ?? ""),
    session: sessionOf(request),
    waitedMs: context.now - queuedAt,
  });
  const { index, scores } = choice;
  const host = hosts[index];
  if (host === undefined) throw new RangeError(`policy ${policy.name} chose ${index} of ${candidates.length}`);
  if (index >= shown.free) return { type: "wait", held: { host, score: scores[index]?.score ?? 0 } };
  const decision = explain({
    policy,
    host,
    candidates,
    choice,
    request,
    filtered: filteredOut(scene, policy.looksAhead === true),
    partsOf: (at) => partsOf(fleet, shown, need, at),
    unlooked: shown.unlooked,
  });
  return { type: "host", host, need, decision };
}

/** What a policy is shown: first the hosts with room, then, where it looks ahead, those without. */
interface Shown {
  readonly hosts: readonly Host[];
  readonly candidates: readonly Candidate[];
  /** How many have room. */
  readonly free: number;
  readonly unlooked: number;
}

function show(fleet: Fleet, request: LeaseRequest, sorted: Sorted, need: Need | undefined): Shown {
  const open = sorted.free.length > 0 ? sorted.free : sorted.suspect;
  const free = need === undefined ? open : pick(open, need, FREE_LOOKED_AT);
  const candidates = free.map((host) => describe(fleet, host, request, need));
  if (need === undefined) return { hosts: free, candidates, free: free.length, unlooked: 0 };
  const busy = pick(sorted.full, need, BUSY_LOOKED_AT);
  addBusy(fleet, busy, need, candidates);
  const unlooked = open.length + sorted.full.length - candidates.length;
  return { hosts: free.concat(busy), candidates, free: free.length, unlooked };
}

function partsOf(fleet: Fleet, { hosts, free }: Shown, need: Need | undefined, at: number): CandidateView["parts"] {
  const host = hosts[at];
  return host === undefined || need === undefined ? undefined : forecast(fleet, host, need, at < free);
}

/** The beginning of the prompt under the tenant's own key: the first messages of a conversation stay what they are. */
function sessionOf({ principal, prefix }: LeaseRequest): string | undefined {
  const start = prefix[Math.min(prefix.length, SESSION_HASHES) - 1];
  return start === undefined ? undefined : `${principal.tenant} ${start}`;
}

/** Lists who was no candidate, and why. */
function filteredOut({ field, sorted }: Scene, ahead: boolean): Explained["filtered"] {
  const filtered: { host: Host; reason: Reason | "suspect" }[] = [...field.out, ...sorted.out];
  if (sorted.free.length > 0) for (const host of sorted.suspect) filtered.push({ host, reason: "suspect" });
  if (!ahead) for (const host of sorted.full) filtered.push({ host, reason: "full" });
  return filtered;
}

/** Tells whether a request that waits for a busy host by choice goes on waiting although others have got room. */
export function keepsWaiting(fleet: Fleet, waiting: Waiting, hosts: Iterable<Host>, now: number): boolean {
  const { held, request, queuedAt } = waiting;
  const { settles } = policyFor(fleet, request.model);
  if (held === undefined || settles === undefined || now - held.at >= HELD_KNOWN_MS) return false;
  for (const host of hosts) {
    if (host === held.host) return false;
    const need = needOf(fleet, waiting, now);
    if (need === undefined) return false;
    const runner = runnerOf(fleet, host, need.model, request.runner);
    const suits = (): boolean => settles(costOn(fleet, host, need), held.score, now - queuedAt);
    // Not even if it had read the prompt: then whether it has need not be found out.
    assumeRead(runner, request, need.stamp);
    if (!suits()) continue;
    matchRunner(fleet.prefixes, runner, request, need.stamp);
    if (suits()) return false;
  }
  return true;
}

/** Deeper than the beginning that all conversations of an application may share, where the prompt is that long. */
const SESSION_HASHES = 2;

/** So long what waiting costs is taken as it was forecast. */
const HELD_KNOWN_MS = 1_000;

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
  if (host.speed.prefill.samples === 0) host.doubted += 1;
  return {
    hostId: host.registration.id,
    freeSlots: roomFor(host, request),
    active: host.slotsUsed,
    loaded: model !== undefined && host.loaded.has(model),
    tier: need === undefined ? fleet.settings.tierOf(host.registration.id) : undefined,
    cost: need === undefined ? undefined : costOn(fleet, host, need),
  };
}

/** Adds hosts without a free slot; without a cost where the wait alone costs more than the best free host. */
function addBusy(fleet: Fleet, busy: readonly Host[], need: Need, candidates: Candidate[]): void {
  let limit = Infinity;
  for (const { cost } of candidates) if (cost !== undefined && cost < limit) limit = cost;
  for (const host of busy) {
    const hostId = host.registration.id;
    const loaded = host.loaded.has(need.model);
    const cost = costOnBusy(fleet, host, need, limit);
    candidates.push({ hostId, freeSlots: 0, active: host.slotsUsed, loaded, tier: undefined, cost });
  }
}

/** Most hosts looked at closely, beside those that have read the prompt's beginning. */
const FREE_LOOKED_AT = 64;
const BUSY_LOOKED_AT = 32;

/** Picks of many hosts the fastest half, a few of the others, each time others, and those that have read the prompt. */
function pick(hosts: readonly Host[], need: Need, most: number): readonly Host[] {
  if (hosts.length <= most) return hosts;
  const half = most / 2;
  const stride = Math.ceil((hosts.length - half) / half);
  return hosts.filter((host, index) => index < half || (index + need.stamp) % stride === 0 || hasRead(host, need));
}

function hasRead(host: Host, { model, request, stamp }: Need): boolean {
  const runner = host.runners.get(runnerKey(model, request.runner));
  return runner !== undefined && matchedBytes(runner, stamp) > 0;
}

/** These hosts will never take the request; what remains once they are taken away tells what to answer. */
const ELSEWHERE: ReadonlySet<Reason> = new Set(["other_pool", "not_pinned"]);
const OFFLINE: ReadonlySet<Reason> = new Set(["dead", "drained", "backend_down"]);

function whyNot(fleet: Fleet, request: LeaseRequest, field: Field, sorted: Sorted): Placement {
  const { pinnedHost } = request;
  const verdicts = [...field.out, ...sorted.out];
  const { hostsMayCome } = fleet.settings;
  if (verdicts.length === 0) return hostsMayCome ? { type: "wait" } : refuse("no_host", "no host is registered");
  if (pinnedHost !== undefined && !fleet.hosts.has(pinnedHost)) return refuse("unknown_host", "no such host");
  const reasons = verdicts.flatMap(({ reason }) => (ELSEWHERE.has(reason) ? [] : [reason]));
  if (reasons.length === 0) return refuse("no_host", "no registered host is open to this token");
  const warmingUp = fleet.steppedAt < fleet.createdAt + fleet.settings.warmUpMs;
  if (warmingUp && reasons.includes("unheard")) return { type: "wait" };
  const heard = reasons.filter((reason) => reason !== "unheard");
  if (hostsMayCome && isForWantOfHosts(reasons)) return { type: "wait" };
  if (heard.length === 0) return refuse("no_host", "no registered host has been heard");
  return whyNotHeard(request.model !== undefined, heard);
}

/** No host that is there could ever take the request, but one that is not there might. */
function isForWantOfHosts(reasons: readonly Reason[]): boolean {
  const here = reasons.filter((reason) => !AWAY.has(reason));
  return here.length < reasons.length && here.every((reason) => reason === "model_missing");
}

const AWAY: ReadonlySet<Reason> = new Set(["unheard", "dead", "drained"]);

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
