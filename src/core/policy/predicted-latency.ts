// predicted_latency: the host that finishes the request soonest, counting what the others lose; a busy one is waited for where that is cheaper.
import type { Candidate, Choice, Policy, Score } from "./policy.ts";
import { chooseLowest } from "./lowest.ts";

/** A free host is taken although a busy one would be cheaper, unless it costs more by this part. Tuned in the simulator. */
const SETTLE_MARGIN = 0.6;
/** A busy host is waited for so long, or for twice what waiting is expected to save. */
const LEAST_PATIENCE_MS = 2_000;
const PATIENCE_PER_GAIN = 2;
/** A request without a model runs nothing: only connections can be counted. */
const MS_PER_CONNECTION = 1;

export const predictedLatency: Policy = {
  name: "predicted_latency",
  looksAhead: true,
  choose(candidates, context) {
    const scores = candidates.map(scoreOf);
    const best = chooseLowest(scores, context.random);
    const isFree = (index: number): boolean => (candidates[index]?.freeSlots ?? 0) > 0;
    if (isFree(best.index)) return best;
    const free = chooseLowest(scores, context.random, isFree);
    if (!isFree(free.index)) return best;
    const { waitedMs = 0 } = context;
    return settles(costOf(free), costOf(best), waitedMs) ? { index: free.index, scores } : best;
  },
  settles,
};

function settles(freeCost: number, bestCost: number, waitedMs: number): boolean {
  if (freeCost <= (1 + SETTLE_MARGIN) * bestCost) return true;
  const gainMs = 1_000 * (freeCost - bestCost);
  return waitedMs > Math.max(LEAST_PATIENCE_MS, PATIENCE_PER_GAIN * gainMs);
}

function costOf({ index, scores }: Choice): number {
  return scores[index]?.score ?? 0;
}

function scoreOf({ cost, active, freeSlots }: Candidate): Score | undefined {
  if (cost !== undefined) return { score: cost };
  return freeSlots === 0 ? undefined : { score: (active * MS_PER_CONNECTION) / 1_000, parts: { active } };
}
