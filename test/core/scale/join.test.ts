// What several cells want, as one: sums within what all together may have.
import { expect, it } from "vitest";
import { joinScales } from "../../../src/core/scale/join.ts";
import type { ScaleView } from "../../../src/wire/scale.ts";

function aView(wanted: number, max = 10): ScaleView {
  const hosts = { wanted, serving: 1, min: 1, max, leaving: [], reason: `wants ${wanted}`, since: 0 };
  return { hosts, host: {}, models: [] };
}

it("adds up what the cells want, to no more than all may have together", () => {
  expect(joinScales([aView(3), aView(4)])?.hosts).toMatchObject({ wanted: 7, serving: 2, min: 2, max: 10 });
  expect(joinScales([aView(8), aView(9)])?.hosts).toMatchObject({ wanted: 10, max: 10, reason: "wants 9" });
});
