// power_of_two: two hosts drawn at random, the one that runs fewer requests (Mitzenmacher 2001).
import { scoreConnections } from "./connections.ts";
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

export const powerOfTwo: Policy = {
  name: "power_of_two",
  choose(candidates, { random }) {
    const first = Math.floor(random() * candidates.length);
    const other = Math.floor(random() * (candidates.length - 1));
    const second = other < first ? other : other + 1;
    const scores = candidates.map((candidate, index) =>
      index === first || index === second ? scoreConnections(candidate) : undefined,
    );
    return chooseLowest(scores, random);
  },
};
