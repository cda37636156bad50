// Seeded chance: repeatable, and of the shape it claims.
import { describe, expect, it } from "vitest";
import { drawExponential, drawLogNormal, drawZipf, forkRandom, seededRandom } from "../../../src/sim/routing/random.ts";
import type { Random } from "../../../src/sim/routing/random.ts";

const DRAWS = 20_000;

function sample(draw: () => number): { mean: number; variation: number } {
  const values = Array.from({ length: DRAWS }, draw);
  const mean = values.reduce((sum, value) => sum + value, 0) / DRAWS;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / DRAWS;
  return { mean, variation: Math.sqrt(variance) / mean };
}

const first = (random: Random): number[] => [random(), random(), random()];

describe("seeded chance", () => {
  it("draws the same sequence from the same seed and another from another", () => {
    expect(first(seededRandom(7))).toEqual(first(seededRandom(7)));
    expect(first(seededRandom(7))).not.toEqual(first(seededRandom(8)));
  });

  it("gives each purpose a sequence of its own", () => {
    expect(first(forkRandom(7, "arrivals"))).not.toEqual(first(forkRandom(7, "lengths")));
  });

  it("draws exponential gaps with their mean and a variation of one", () => {
    const random = seededRandom(1);
    const { mean, variation } = sample(() => drawExponential(random, 3));
    expect(mean).toBeCloseTo(3, 0);
    expect(variation).toBeCloseTo(1, 1);
  });

  it("draws log-normal lengths with the mean and variation asked for", () => {
    const random = seededRandom(2);
    const { mean, variation } = sample(() => drawLogNormal(random, 200, 0.8));
    expect(mean / 200).toBeCloseTo(1, 1);
    expect(variation).toBeCloseTo(0.8, 1);
  });

  it("draws the first of many twice as often as the second under Zipf's law", () => {
    const random = seededRandom(3);
    const counts = [0, 0, 0];
    for (let draw = 0; draw < DRAWS; draw += 1) {
      const index = drawZipf(random, 3, 1);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect((counts[0] ?? 0) / (counts[1] ?? 1)).toBeCloseTo(2, 0);
    expect((counts[0] ?? 0) / (counts[2] ?? 1)).toBeCloseTo(3, 0);
  });
});
