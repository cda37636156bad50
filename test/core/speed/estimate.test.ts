// One learned number.
import { describe, expect, it } from "vitest";
import { learn, newEstimate, valueOr } from "../../../src/core/speed/estimate.ts";
import { seededRandom } from "../builders.ts";

describe("an estimate", () => {
  it("is its prior before the first sample and the sample after it", () => {
    const estimate = newEstimate();
    expect(valueOr(estimate, 7)).toBe(7);
    learn(estimate, 3, 0.1);
    expect(valueOr(estimate, 7)).toBe(3);
  });

  it("is within 5 % of the truth after fifty samples that are 30 % off", () => {
    const random = seededRandom(4);
    const estimate = newEstimate();
    for (let index = 0; index < 50; index += 1) learn(estimate, 10 * 1.3 ** (2 * random() - 1), 0.02);
    expect(Math.abs(estimate.value / 10 - 1)).toBeLessThan(0.05);
  });

  it("follows a change of any size within eight samples", () => {
    for (const factor of [0.1, 0.5, 2, 10]) {
      const estimate = newEstimate();
      for (let index = 0; index < 100; index += 1) learn(estimate, 10, 0.1);
      for (let index = 0; index < 8; index += 1) learn(estimate, 10 * factor, 0.1);
      expect(Math.abs(Math.log(estimate.value / (10 * factor)))).toBeLessThan(0.25);
    }
  });

  it("is moved less than a factor of 1.2 by one absurd sample", () => {
    const estimate = newEstimate();
    for (let index = 0; index < 50; index += 1) learn(estimate, 10, 0.1);
    learn(estimate, 1e9, 0.1);
    expect(estimate.value).toBeLessThan(12);
  });

  it("believes a clean sample more than doubtful ones before it", () => {
    const estimate = newEstimate();
    for (let index = 0; index < 3; index += 1) learn(estimate, 5, 0.1, 0.1);
    learn(estimate, 10, 0.1);
    expect(estimate.value).toBeGreaterThan(8);
    learn(estimate, 5, 0.1, 0.1);
    expect(estimate.value).toBeGreaterThan(8);
  });

  it("takes no sample that is not a positive number", () => {
    const estimate = newEstimate();
    for (const sample of [0, -1, Number.NaN, Infinity]) learn(estimate, sample, 0.1);
    expect(estimate.samples).toBe(0);
  });
});
