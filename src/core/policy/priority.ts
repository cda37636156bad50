// priority: the lowest tier that has a free slot; within it, the host that runs the fewest requests.
import { scoreConnections } from "./connections.ts";
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

/** More than any host runs. */
const TIER_STEP = 1e6;

export const priority: Policy = {
  name: "priority",
  choose: (candidates, { random }) =>
    chooseLowest(
      candidates.map((candidate) => {
        const { score, parts } = scoreConnections(candidate);
        const tier = candidate.tier ?? 0;
        return { score: tier * TIER_STEP + score, parts: { tier, ...parts } };
      }),
      random,
    ),
};
