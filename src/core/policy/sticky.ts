// sticky: each session keeps to one order of the hosts (rendezvous hashing), and goes to the first of them with a free slot.
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

export const sticky: Policy = {
  name: "sticky",
  choose: (candidates, { random, session }) =>
    chooseLowest(
      candidates.map(({ hostId }) => {
        const rank = session === undefined ? random() : rankOf(session, hostId);
        return { score: rank, parts: { rank } };
      }),
      random,
    ),
};

/** Uniform in [0, 1): FNV-1a and a finalizer, the same in every cell and at every time (Thaler and Ravishankar 1998). */
function rankOf(session: string, hostId: string): number {
  let hash = 0x811c9dc5;
  for (const text of [session, "\n", hostId]) {
    for (let index = 0; index < text.length; index += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 4_294_967_296;
}
