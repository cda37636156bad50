// Two draws, the better one.
import { describe, expect, it } from "vitest";
import { powerOfTwo } from "../../../src/core/policy/power-of-two.ts";
import { candidate, tally } from "./policy.case.ts";

describe("power_of_two", () => {
  it("scores two different hosts of many", () => {
    const among = ["a", "b", "c", "d"].map((id) => candidate(id));
    for (const draw of [0, 0.3, 0.6, 0.99]) {
      const { scores } = powerOfTwo.choose(among, { random: () => draw });
      expect(scores.filter((entry) => entry !== undefined)).toHaveLength(2);
    }
  });

  it("never chooses the busiest of hosts that all differ", () => {
    const among = [candidate("a", { active: 1 }), candidate("b", { active: 2 }), candidate("c", { active: 3 })];
    const counts = tally(powerOfTwo, among);
    expect(counts.get("c")).toBeUndefined();
    expect(counts.get("a") ?? 0).toBeGreaterThan(counts.get("b") ?? 0);
  });

  it("prefers a host that has the model loaded among equals", () => {
    const among = [candidate("cold"), candidate("warm", { loaded: true })];
    expect([...tally(powerOfTwo, among).keys()]).toEqual(["warm"]);
  });
});
