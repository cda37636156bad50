// The promises about load: what is steady never makes the number of copies go down and up again, nearly all requests start in
// time, and what really changes is followed.
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { levelAt, loadsOf, simulate } from "./simulated-load.ts";
import type { Load } from "./simulated-load.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SEED = 20_261_123;
const any = loadsOf(["poisson", "even", "bursty"], ["exponential", "even", "mixed"]);

it("never oscillates on a steady load: of 1,000 workloads none takes back a single decrease in three hours", () => {
  let decreases = 0;
  fc.assert(
    fc.property(any, (load) => {
      const { reversals, levels } = simulate(load, 3 * HOUR_MS);
      expect(reversals, levels.map(({ level }) => level).join(" ")).toBe(0);
      decreases += levels.filter(({ level }, index) => level < (levels[index - 1]?.level ?? 0)).length;
    }),
    { seed: SEED, numRuns: 1_000 },
  );
  // Whoever never lowers anything takes nothing back.
  expect(decreases).toBeGreaterThan(400);
}, 240_000);

it("lets 95 % of the requests start in time in the worst of 100 workloads of every kind, once it has settled", () => {
  fc.assert(
    fc.property(any, (load) => {
      const { started, late, levels } = simulate(load, 3 * HOUR_MS);
      expect(late / started, levels.map(({ level }) => level).join(" ")).toBeLessThanOrEqual(0.05);
    }),
    { seed: SEED, numRuns: 100 },
  );
}, 240_000);

const CHANGE_MS = 90 * MINUTE_MS;

/** What becomes of a load of so many requests at a time after an hour and a half, in twelve runs. */
function changing(load: Omit<Load, "seed" | "change" | "work">, times: number) {
  const change = { atMs: CHANGE_MS, times };
  const seeds = Array.from({ length: 12 }, (_, index) => index + 1);
  return seeds.map((seed) => simulate({ ...load, work: "exponential", seed, change }, 3 * HOUR_MS));
}

it.each([
  { gaps: "poisson", offered: 3, serviceMs: 3_000, minutes: 15 },
  { gaps: "poisson", offered: 25, serviceMs: 3_000, minutes: 10 },
  { gaps: "bursty", offered: 8, serviceMs: 3_000, minutes: 15 },
  { gaps: "poisson", offered: 8, serviceMs: 20_000, minutes: 20 },
  { gaps: "bursty", offered: 25, serviceMs: 20_000, minutes: 20 },
] as const)("takes less within $minutes minutes when a $gaps load of $offered at a time falls to a third", (load) => {
  for (const trace of changing(load, 1 / 3)) {
    expect(levelAt(trace, CHANGE_MS + load.minutes * MINUTE_MS)).toBeLessThan(levelAt(trace, CHANGE_MS));
  }
});

it.each([
  { gaps: "poisson", offered: 3, serviceMs: 3_000 },
  { gaps: "poisson", offered: 25, serviceMs: 3_000 },
  { gaps: "bursty", offered: 8, serviceMs: 3_000 },
  { gaps: "poisson", offered: 8, serviceMs: 20_000 },
  { gaps: "bursty", offered: 25, serviceMs: 20_000 },
] as const)("takes more within two minutes when a $gaps load of $offered at a time triples", (load) => {
  for (const trace of changing(load, 3)) {
    expect(levelAt(trace, CHANGE_MS + 2 * MINUTE_MS)).toBeGreaterThan(levelAt(trace, CHANGE_MS));
  }
});

it("takes as many as a model that nobody had asked for needs within a minute of the first requests", () => {
  for (const seed of [1, 2, 3, 4]) {
    const trace = simulate({ gaps: "poisson", work: "exponential", offered: 8, serviceMs: 3_000, seed }, MINUTE_MS);
    expect(levelAt(trace, MINUTE_MS)).toBeGreaterThan(8);
  }
});

it("takes nothing any more within 15 minutes of the last request", () => {
  for (const gaps of ["poisson", "bursty"] as const) {
    const load = { gaps, work: "exponential", offered: 2, serviceMs: 8_000, seed: 3 } as const;
    const trace = simulate({ ...load, change: { atMs: CHANGE_MS, times: 1e-9 } }, 3 * HOUR_MS);
    expect(levelAt(trace, CHANGE_MS + 15 * MINUTE_MS)).toBe(0);
  }
});
