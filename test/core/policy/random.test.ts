// Chance alone.
import { expect, it } from "vitest";
import { randomChoice } from "../../../src/core/policy/random.ts";
import { candidate, tally } from "./policy.case.ts";

it("random gives busy and idle hosts the same share", () => {
  const counts = tally(randomChoice, [candidate("busy", { active: 9 }), candidate("idle", { loaded: true })], 1000);
  expect(counts.get("busy") ?? 0).toBeGreaterThan(430);
  expect(counts.get("idle") ?? 0).toBeGreaterThan(430);
});
