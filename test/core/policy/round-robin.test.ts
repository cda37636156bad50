// Taking turns.
import { describe, expect, it } from "vitest";
import { roundRobin } from "../../../src/core/policy/round-robin.ts";
import { candidate } from "./policy.case.ts";

const random = (): number => 0;

function after(previous: string | undefined, ...ids: string[]): string | undefined {
  const among = ids.map((id) => candidate(id));
  return among[roundRobin.choose(among, { random, previous }).index]?.hostId;
}

describe("round_robin", () => {
  it("starts at the first id whatever the order of the candidates", () => {
    expect(after(undefined, "c", "a", "b")).toBe("a");
  });

  it("goes on behind the previous host and begins again after the last", () => {
    expect(after("a", "c", "a", "b")).toBe("b");
    expect(after("c", "c", "a", "b")).toBe("a");
  });

  it("keeps its place when the previous host is gone", () => {
    expect(after("b", "a", "c", "d")).toBe("c");
  });

  it("does not look at load", () => {
    const among = [candidate("a", { active: 9 }), candidate("b")];
    expect(roundRobin.choose(among, { random }).index).toBe(0);
  });
});
