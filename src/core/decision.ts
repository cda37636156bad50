// Why this host: the candidates with their scores, the others with what kept them out. In large fleets the best and a count of the rest.
import type { CandidateView, Decision, LeaseRequest } from "../wire/lease.ts";
import type { Reason } from "./eligibility.ts";
import type { Candidate, Choice, Policy } from "./policy/policy.ts";
import { roomFor } from "./room.ts";
import type { Host } from "./state.ts";

/** Hosts described one by one; the decision travels with every grant. */
const DESCRIBED_MAX = 16;
/** Of more candidates so many of the best are described. */
const BEST_MAX = 8;

export interface Explained {
  readonly policy: Policy;
  readonly host: Host;
  readonly candidates: readonly Candidate[];
  readonly choice: Choice;
  readonly filtered: readonly { readonly host: Host; readonly reason: Reason | "suspect" }[];
  readonly request: LeaseRequest;
  /** Hosts that could have been chosen and were not looked at closely. */
  readonly unlooked?: number | undefined;
  /** What the cost of a candidate is made of, for policies that go by costs. */
  readonly partsOf?: ((index: number) => CandidateView["parts"]) | undefined;
}

/** Writes a decision down. */
export function explain(explained: Explained): Decision {
  const { policy, host, candidates, filtered, request, unlooked = 0 } = explained;
  const views = describeBest(explained);
  const omitted: Record<string, number> = {};
  const unshown = candidates.length - views.length + unlooked;
  if (unshown > 0) omitted["candidate"] = unshown;
  for (const { host: other, reason } of filtered) {
    if (views.length < DESCRIBED_MAX)
      views.push({ hostId: other.registration.id, freeSlots: roomFor(other, request), filtered: reason });
    else omitted[reason] = (omitted[reason] ?? 0) + 1;
  }
  const decision = { policy: policy.name, chosen: host.registration.id, candidates: views };
  return Object.keys(omitted).length === 0 ? decision : { ...decision, omitted };
}

function describeBest({ candidates, choice, partsOf }: Explained): CandidateView[] {
  const shown = candidates.length <= DESCRIBED_MAX ? undefined : bestOf(choice);
  const views: CandidateView[] = [];
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index];
    if (candidate === undefined || shown?.has(index) === false) continue;
    const { hostId, freeSlots } = candidate;
    const scored = choice.scores[index];
    const base = { hostId, freeSlots };
    views.push(scored === undefined ? base : { ...base, score: scored.score, parts: scored.parts ?? partsOf?.(index) });
  }
  return views;
}

/** The chosen one and those with the lowest scores. */
function bestOf({ index, scores }: Choice): Set<number> {
  const best: number[] = [];
  let worst = Infinity;
  for (let at = 0; at < scores.length; at += 1) {
    const score = scores[at]?.score ?? Infinity;
    if (score >= worst) continue;
    let place = best.length;
    while (place > 0 && score < scoreAt(scores, best[place - 1])) place -= 1;
    best.splice(place, 0, at);
    if (best.length <= BEST_MAX) continue;
    best.pop();
    worst = scoreAt(scores, best[BEST_MAX - 1]);
  }
  return new Set([index, ...best]);
}

function scoreAt(scores: Choice["scores"], index: number | undefined): number {
  return (index === undefined ? undefined : scores[index]?.score) ?? Infinity;
}
