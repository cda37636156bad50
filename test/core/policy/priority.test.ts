// Tiers before connections.
import { describe, expect, it } from "vitest";
import { priority } from "../../../src/core/policy/priority.ts";
import { FleetDriver, grantIn } from "../builders.ts";
import { candidate, tally } from "./policy.case.ts";

describe("priority", () => {
  it("takes the lowest tier, however busy it is", () => {
    const among = [candidate("spare", { tier: 1 }), candidate("first", { tier: 0, active: 9 })];
    expect([...tally(priority, among).keys()]).toEqual(["first"]);
  });

  it("counts connections within a tier", () => {
    const among = [candidate("a", { tier: 2, active: 1 }), candidate("b", { tier: 2 }), candidate("c", { tier: 3 })];
    expect([...tally(priority, among).keys()]).toEqual(["b"]);
  });

  it("goes on to the next tier when the first is full", () => {
    const tierOf = (hostId: string) => (hostId === "spare" ? 1 : 0);
    const driver = new FleetDriver({ policy: "priority", tierOf });
    driver.at(6_000);
    for (const id of ["spare", "first"]) driver.join(id, { slots: 1, parallel: 1 });
    expect(["1", "2"].map((id) => grantIn(driver.acquire(id)).hostId)).toEqual(["first", "spare"]);
  });
});
