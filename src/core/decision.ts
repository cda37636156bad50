// Why this host: the candidates with their scores, the others with what kept them out. In large fleets the best and a count of the rest.
import type { CandidateView, Decision, LeaseRequest } from "../wire/lease.ts";
import type { Reason } from "./eligibility.ts";
import { roomFor } from "./eligibility.ts";
import type { Candidate, Choice, Policy } from "./policy/policy.ts";
import type { Host } from "./state.ts";

/** Hosts described one by one; the decision travels with every grant. */
const DESCRIBED_MAX = 16;

export interface Explained {
  readonly policy: Policy;
  readonly host: Host;
  readonly candidates: readonly Candidate[];
  readonly choice: Choice;
  readonly filtered: readonly { readonly host: Host; readonly reason: Reason | "suspect" }[];
  readonly request: LeaseRequest;
}

/** Writes a decision down. */
export function explain({ policy, host, candidates, choice, filtered, request }: Explained): Decision {
  const shown = candidates.length <= DESCRIBED_MAX ? undefined : bestOf(choice);
  const views: CandidateView[] = [];
  const omitted: Record<string, number> = {};
  for (const [index, { hostId, freeSlots }] of candidates.entries()) {
    if (shown !== undefined && !shown.has(index)) continue;
    const scored = choice.scores[index];
    const base = { hostId, freeSlots };
    views.push(scored === undefined ? base : { ...base, score: scored.score, parts: scored.parts });
  }
  if (views.length < candidates.length) omitted["candidate"] = candidates.length - views.length;
  for (const { host: other, reason } of filtered) {
    if (views.length < DESCRIBED_MAX)
      views.push({ hostId: other.registration.id, freeSlots: roomFor(other, request), filtered: reason });
    else omitted[reason] = (omitted[reason] ?? 0) + 1;
  }
  const decision = { policy: policy.name, chosen: host.registration.id, candidates: views };
  return Object.keys(omitted).length === 0 ? decision : { ...decision, omitted };
}

/** The chosen one and those with the lowest scores. */
function bestOf({ index, scores }: Choice): Set<number> {
  const best = [index];
  let worst = Infinity;
  for (const [at, entry] of scores.entries()) {
    const score = entry?.score ?? Infinity;
    if (at === index || score >= worst) continue;
    best.push(at);
    if (best.length <= DESCRIBED_MAX / 2) continue;
    best.sort((a, b) => scoreAt(scores, a) - scoreAt(scores, b)).splice(DESCRIBED_MAX / 2);
    worst = scoreAt(scores, best.at(-1) ?? 0);
  }
  return new Set([index, ...best]);
}

function scoreAt(scores: Choice["scores"], index: number): number {
  return scores[index]?.score ?? Infinity;
}
