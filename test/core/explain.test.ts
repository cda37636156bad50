// What travels with a grant: few candidates, the chosen one first, then the best.
import { describe, expect, it } from "vitest";
import { shorten } from "../../src/core/explain.ts";
import { FleetDriver, grantIn } from "./builders.ts";

function grantAmong(hosts: number) {
  const driver = new FleetDriver({ maxInstances: hosts });
  for (let index = 0; index < hosts; index += 1) driver.join(`h${index}`);
  driver.acquire("0", { pinnedHost: "h3" });
  return grantIn(driver.acquire("1", { exclude: ["h0"] }));
}

describe("the short decision", () => {
  it("leaves a decision among few hosts as it is", () => {
    const grant = grantAmong(8);
    expect(shorten(grant)).toBe(grant);
  });

  it("names the chosen host first and then the best eight of many, never the worst", () => {
    const grant = grantAmong(30);
    const { candidates } = shorten(grant).decision;
    expect(candidates.length).toBe(8);
    expect(candidates[0]?.hostId).toBe(grant.hostId);
    // h3 runs a request already, h0 could not be chosen.
    expect(candidates.map(({ hostId }) => hostId)).not.toContain("h3");
    expect(candidates.map(({ hostId }) => hostId)).not.toContain("h0");
    const scores = candidates.slice(1).map(({ score = Infinity }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => a - b));
  });

  it("changes nothing else of the grant", () => {
    const grant = grantAmong(30);
    const { decision, ...rest } = shorten(grant);
    expect({ ...rest, decision: { ...decision, candidates: grant.decision.candidates } }).toEqual(grant);
  });
});
