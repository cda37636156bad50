// The end of every policy: the lowest score wins, and equals are told apart by chance.
import type { Choice, Score } from "./policy.ts";

/** Chooses the lowest score; ties are broken at random so that no host's place in the list favours it; only those open to choice are. */
export function chooseLowest(
  scores: readonly (Score | undefined)[],
  random: () => number,
  isOpen?: (index: number) => boolean,
): Choice {
  let best: number[] = [];
  let lowest = Infinity;
  for (let index = 0; index < scores.length; index += 1) {
    const entry = scores[index];
    if (entry === undefined || entry.score > lowest || isOpen?.(index) === false) continue;
    if (entry.score < lowest) best = [];
    lowest = entry.score;
    best.push(index);
  }
  return { index: best[Math.floor(random() * best.length)] ?? 0, scores };
}
