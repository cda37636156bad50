// The table of threats itself: what would make it lie.
import { expect, it } from "vitest";
import { ROWS } from "./rows.ts";
import { describeTally, tally, unknownIds } from "./tally.ts";
import type { AttackTest } from "./tally.ts";

const rows = ROWS.slice(0, 2);
const attack = (title: string, state: AttackTest["state"] = "passed", suite = "a suite"): AttackTest => ({
  path: [suite, title],
  state,
});

it("lists T1 to T30, each once", () => {
  expect(ROWS.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, index) => `T${String(index + 1)}`));
});

it("fails a row without a test, with a skipped one alone, and with one failure among many", () => {
  const passed = (tests: AttackTest[]) => tally(rows, tests).map((row) => row.passed);
  expect(passed([])).toEqual([false, false]);
  expect(passed([attack("x [T1]", "skipped"), attack("y [T2]")])).toEqual([false, true]);
  expect(passed([attack("x [T1]"), attack("y [T1 T2]", "failed")])).toEqual([false, false]);
  expect(passed([attack("x [T1 T2]"), attack("untagged", "failed")])).toEqual([true, true]);
});

it("takes the tag of a suite for all its tests, and names them with their number", () => {
  const verdicts = tally(rows, [attack("one", "passed", "forged [T1]"), attack("two", "failed", "forged [T1]")]);
  expect(verdicts[0]).toMatchObject({ passed: false, failures: ["forged [T1] > two"] });
  expect([...(verdicts[0]?.attacks ?? [])]).toEqual([["forged", 2]]);
  expect(describeTally(verdicts)).toContain("T2  FAIL");
});

it("knows ids that no row has", () => {
  expect(unknownIds(rows, [attack("x [T1]"), attack("y [T31]")])).toEqual(["T31"]);
});
