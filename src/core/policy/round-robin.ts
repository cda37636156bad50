// round_robin: hosts take turns per model, in order of their ids.
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

export const roundRobin: Policy = {
  name: "round_robin",
  /** The cursor is the id of the last host and not a position, so that hosts may come and go without skipping a turn. */
  choose(candidates, { previous, random }) {
    const ids = candidates.map(({ hostId }) => hostId).sort();
    const start =
      previous === undefined
        ? 0
        : Math.max(
            0,
            ids.findIndex((id) => id > previous),
          );
    const turns = new Map(ids.map((id, position) => [id, (position - start + ids.length) % ids.length]));
    const scores = candidates.map(({ hostId }) => {
      const turn = turns.get(hostId) ?? 0;
      return { score: turn, parts: { turn } };
    });
    return chooseLowest(scores, random);
  },
};
