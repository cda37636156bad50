// What every policy promises, run once for each of them.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate, Policy } from "../../../src/core/policy/policy.ts";
import { seededRandom } from "../builders.ts";

const candidates: fc.Arbitrary<Candidate[]> = fc.uniqueArray(
  fc.record({
    hostId: fc.integer({ min: 0, max: 99 }).map((number) => `h${number}`),
    freeSlots: fc.integer({ min: 1, max: 8 }),
    active: fc.integer({ min: 0, max: 8 }),
    loaded: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12, selector: ({ hostId }) => hostId },
);

/** Builds a candidate; a test names what it cares for. */
export function candidate(hostId: string, part: Partial<Candidate> = {}): Candidate {
  return { hostId, freeSlots: 4, active: 0, loaded: false, ...part };
}

/** Answers how often each host is chosen for the same candidates. */
export function tally(policy: Policy, among: readonly Candidate[], draws = 300): Map<string, number> {
  const random = seededRandom(7);
  const chosen = new Map<string, number>();
  for (let draw = 0; draw < draws; draw += 1) {
    const hostId = among[policy.choose(among, { random }).index]?.hostId ?? "none";
    chosen.set(hostId, (chosen.get(hostId) ?? 0) + 1);
  }
  return chosen;
}

/** Runs the contract for a policy. */
export function policyContract(policy: Policy): void {
  describe(`${policy.name} as a policy`, () => {
    it("chooses one of the candidates and gives it the lowest score", () => {
      fc.assert(
        fc.property(candidates, fc.integer(), fc.option(fc.constant("h50")), (among, seed, previous) => {
          const frozen = Object.freeze(among.map((one) => Object.freeze(one)));
          const random = seededRandom(seed);
          const { index, scores } = policy.choose(frozen, { random, previous: previous ?? undefined });
          expect(scores).toHaveLength(among.length);
          const seen = scores.flatMap((entry) => (entry === undefined ? [] : [entry.score]));
          expect(among[index]).toBeDefined();
          expect(scores[index]?.score).toBe(Math.min(...seen));
        }),
        { numRuns: 200, seed: 1 },
      );
    });

    it("answers the same for the same chance", () => {
      fc.assert(
        fc.property(candidates, fc.integer(), (among, seed) => {
          const first = policy.choose(among, { random: seededRandom(seed) });
          expect(policy.choose(among, { random: seededRandom(seed) })).toEqual(first);
        }),
        { numRuns: 100, seed: 2 },
      );
    });

    it("reaches every one of equal hosts when each choice becomes the previous one", () => {
      const among = ["c", "a", "d", "b"].map((hostId) => candidate(hostId));
      const random = seededRandom(3);
      const reached = new Set<string>();
      let previous: string | undefined;
      for (let draw = 0; draw < 100; draw += 1) {
        previous = among[policy.choose(among, { random, previous }).index]?.hostId;
        reached.add(previous ?? "none");
      }
      expect([...reached].sort()).toEqual(["a", "b", "c", "d"]);
    });
  });
}
