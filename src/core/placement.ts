// Where a request goes: to a host the policy chooses, back to its client with a refusal, or on waiting.
import type { CandidateView, Decision, LeaseRequest } from "../wire/lease.ts";
import { explain } from "./decision.ts";
import type { Explained } from "./decision.ts";
import type { StepContext } from "./events.ts";
import type { Field, Reason } from "./eligibility.ts";
import { costOn, forecast, needOf } from "./forecast.ts";
import type { Need } from "./forecast.ts";
import { assumeRead, matchPrefixes, matchRunner } from "./prefixes.ts";
import { policyFor } from "./policy/table.ts";
import { runnerOf } from "./runners.ts";
import { showAhead, showFree } from "./shortlist.ts";
import type { Scene, Shown } from "./shortlist.ts";
import { sortHosts } from "./sorted-hosts.ts";
import type { Fleet, Host, Waiting } from "./state.ts";
import { whyNot } from "./why-not.ts";
import type { InVain } from "./why-not.ts";

export type Placement =
  | { readonly type: "host"; readonly host: Host; readonly decision: Decision; readonly need: Need | undefined }
  | Extract<InVain, { type: "refuse" }>
  /** `held`: for a busy host, by choice. */
  | { readonly type: "wait"; readonly held?: { readonly host: Host; readonly score: number } | undefined };

/** Places a request: suspect hosts are asked only if no other can take it now. */
export function place(fleet: Fleet, waiting: Waiting, field: Field, context: StepContext): Placement {
  const sorted = sortHosts(fleet, field, waiting.request, context.now);
  if (sorted.free.length + sorted.suspect.length > 0) return choose(fleet, waiting, { field, sorted }, context);
  return sorted.full.length > 0 ? { type: "wait" } : whyNot(fleet, waiting.request, [...field.out, ...sorted.out]);
}

const NOBODY: ReadonlySet<string> = new Set();

function choose(fleet: Fleet, waiting: Waiting, scene: Scene, context: StepContext): Placement {
  const { request, queuedAt } = waiting;
  const policy = policyFor(fleet, request.model);
  const need = needOf(fleet, waiting, context.now);
  const close = need === undefined ? NOBODY : matchPrefixes(fleet.prefixes, request, need.asked.stamp);
  const ahead = policy.looksAhead === true && need !== undefined;
  const shown = ahead ? showAhead(fleet, scene, need, close) : showFree(fleet, scene, request);
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
    assumeRead(runner, request, need.asked.stamp);
    if (!suits()) continue;
    matchRunner(fleet.prefixes, runner, request, need.asked.stamp);
    if (suits()) return false;
  }
  return true;
}

/** Deeper than the beginning that all conversations of an application may share, where the prompt is that long. */
const SESSION_HASHES = 2;

/** So long what waiting costs is taken as it was forecast. */
const HELD_KNOWN_MS = 1_000;
