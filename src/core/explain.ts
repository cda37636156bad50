// Why this host, in short: what travels with a grant. All hosts of a large cell would cost more than the lease itself.
import type { CandidateView, Grant } from "../wire/lease.ts";

/** The chosen host and those it was best compared with. */
const TOLD_MAX = 8;

/** Answers a grant whose decision names at most eight candidates: the chosen one, then those with the best scores. */
export function shorten(grant: Grant): Grant {
  const { candidates, chosen } = grant.decision;
  if (candidates.length <= TOLD_MAX) return grant;
  const rank = ({ hostId, score = Infinity }: CandidateView): number => (hostId === chosen ? -Infinity : score);
  const best: CandidateView[] = [];
  for (const candidate of candidates) {
    const place = best.findIndex((other) => rank(candidate) < rank(other));
    if (place !== -1) best.splice(place, 0, candidate);
    else if (best.length < TOLD_MAX) best.push(candidate);
    if (best.length > TOLD_MAX) best.pop();
  }
  return { ...grant, decision: { ...grant.decision, candidates: best } };
}
