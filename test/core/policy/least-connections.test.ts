// Counting connections over all hosts.
import { describe, expect, it } from "vitest";
import { leastConnections } from "../../../src/core/policy/least-connections.ts";
import { candidate, tally } from "./policy.case.ts";

describe("least_connections", () => {
  it("chooses the host with the fewest requests although another has the model loaded", () => {
    const among = [candidate("busy", { active: 2, loaded: true }), candidate("idle", { active: 1 })];
    expect([...tally(leastConnections, among).keys()]).toEqual(["idle"]);
  });

  it("prefers a host that has the model loaded among equals", () => {
    const among = [candidate("cold", { active: 1 }), candidate("warm", { active: 1, loaded: true })];
    expect([...tally(leastConnections, among).keys()]).toEqual(["warm"]);
  });

  it("spreads over hosts that are equal in both", () => {
    const counts = tally(leastConnections, [candidate("a"), candidate("b"), candidate("c", { active: 1 })]);
    expect([...counts.keys()].sort()).toEqual(["a", "b"]);
    expect(Math.min(...counts.values())).toBeGreaterThan(100);
  });
});
