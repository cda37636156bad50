// random: every host as likely as every other.
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

export const randomChoice: Policy = {
  name: "random",
  choose(candidates, { random }) {
    const scores = candidates.map(() => {
      const draw = random();
      return { score: draw, parts: { draw } };
    });
    return chooseLowest(scores, random);
  },
};
