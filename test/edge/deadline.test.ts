// The time a request may take: REQUEST_LIMIT, shortened by the client.
import { expect, it } from "vitest";
import { readDeadline } from "../../src/edge/request/deadline.ts";

it("is the limit without the header, and never more than the limit", () => {
  expect(readDeadline(undefined, 1_000, 5)).toEqual({ ok: true, value: 1_005 });
  expect(readDeadline("400", 1_000, 5)).toEqual({ ok: true, value: 405 });
  expect(readDeadline("4000", 1_000, 5)).toEqual({ ok: true, value: 1_005 });
});

it("refuses what is no whole number of milliseconds", () => {
  for (const bad of ["", "0", "-5", "1.5", "5s", "1e3", "soon", "9".repeat(13)]) {
    expect(readDeadline(bad, 1_000, 5).ok, bad).toBe(false);
  }
});
