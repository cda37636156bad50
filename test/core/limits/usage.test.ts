// What was used: counted once, for the right tenant, day and model.
import { expect, it } from "vitest";
import { countFinished, createUsage, takeUnsaved } from "../../../src/core/limits/usage.ts";
import { T0 } from "../builders.ts";

const finished = (id: string, promptTokens: number, outputTokens: number) =>
  ({ id, model: "m", outcome: "served", promptTokens, outputTokens, totalMs: 1 }) as const;

it("adds up per tenant, day and model, and takes a report that comes again for what it is", () => {
  const usage = createUsage();
  expect(countFinished(usage, "acme", finished("1", 10, 5), T0)).toBe(true);
  expect(countFinished(usage, "acme", finished("1", 10, 5), T0)).toBe(false);
  countFinished(usage, "acme", finished("2", 1, 2), T0);
  countFinished(usage, "other", finished("3", 7, 7), T0);
  countFinished(usage, "acme", finished("4", 1, 1), T0 + 86_400_000);
  const rows = takeUnsaved(usage);
  expect(
    rows.map(({ tenant, requests, promptTokens, outputTokens }) => [tenant, requests, promptTokens, outputTokens]),
  ).toEqual([
    ["acme", 2, 11, 7],
    ["other", 1, 7, 7],
    ["acme", 1, 1, 1],
  ]);
  expect(takeUnsaved(usage)).toEqual([]);
});
