// What every policy promises, run once for each of them.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate, Policy } from "../../../src/core/policy/policy.ts";
import { seededRandom } from "../builders.ts";

const free = {
  hostId: fc.integer({ min: 0, max: 99 }).map((number) => `h${number}`),
  freeSlots: fc.integer({ min: 1, max: 8 }),
  active: fc.integer({ min: 0, max: 8 }),
  loaded: fc.boolean(),
  tier: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
};
const candidates: fc.Arbitrary<Candidate[]> = fc.uniqueArray(fc.record(free), {
  minLength: 1,
  maxLength: 12,
  selector: ({ hostId }) => hostId,
});
const context = fc.record({
  previous: fc.option(fc.constant("h50"), { nil: undefined }),
  session: fc.option(fc.constantFrom("s1", "s2", "s3"), { nil: undefined }),
  waitedMs: fc.integer({ min: 0, max: 60_000 }),
});
/** As policies that look ahead are shown them: with costs, and busy hosts behind the free ones. */
const costed: fc.Arbitrary<Candidate[]> = fc.uniqueArray(
  fc.record({
    ...free,
    freeSlots: fc.integer({ min: 0, max: 2 }),
    cost: fc.double({ min: 0.001, max: 60, noNaN: true }),
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
        fc.property(candidates, fc.integer(), context, (among, seed, known) => {
          const frozen = Object.freeze(among.map((one) => Object.freeze(one)));
          const { index, scores } = policy.choose(frozen, { random: seededRandom(seed), ...known });
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
        fc.property(candidates, fc.integer(), context, (among, seed, known) => {
          const first = policy.choose(among, { random: seededRandom(seed), ...known });
          expect(policy.choose(among, { random: seededRandom(seed), ...known })).toEqual(first);
        }),
        { numRuns: 100, seed: 2 },
      );
    });

    it("says of each score what it is made of, unless it is a cost", () => {
      fc.assert(
        fc.property(candidates, fc.integer(), context, (among, seed, known) => {
          const { index, scores } = policy.choose(among, { random: seededRandom(seed), ...known });
          expect(Object.keys(scores[index]?.parts ?? {}).length).toBeGreaterThan(0);
        }),
        { numRuns: 50, seed: 4 },
      );
    });

    if (policy.looksAhead === true)
      it("waits for a busy host only where none that is free would settle it", () => {
        fc.assert(
          fc.property(costed, fc.integer(), context, (among, seed, known) => {
            const { index, scores } = policy.choose(among, { random: seededRandom(seed), ...known });
            const scoreOf = (at: number): number => scores[at]?.score ?? Infinity;
            const best = Math.min(...among.map((_, at) => scoreOf(at)));
            const settling = among.filter(
              ({ freeSlots }, at) => freeSlots > 0 && policy.settles?.(scoreOf(at), best, known.waitedMs) !== false,
            );
            expect((among[index]?.freeSlots ?? 0) > 0).toBe(settling.length > 0);
            if (settling.length === 0) expect(scoreOf(index)).toBe(best);
          }),
          { numRuns: 200, seed: 5 },
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
