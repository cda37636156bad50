// The page cache keeps what was read last.
import { expect, it } from "vitest";
import { MODEL_KINDS } from "../../../src/sim/routing/calibration.ts";
import { PageCache } from "../../../src/sim/routing/page-cache.ts";

const [SMALL, MODEL, LARGE] = [MODEL_KINDS["llama3.2:3b"], MODEL_KINDS["llama3:8b"], MODEL_KINDS["qwen2.5:14b"]];

it("keeps the models read last and forgets the others by size (§4)", () => {
  const cache = new PageCache(12e9);
  expect([SMALL, MODEL, SMALL].map((model) => cache.read(model))).toEqual([false, false, true]);
  // 9 GB more leave room for the 2 GB read last, not for the 4.9 GB read before.
  expect(cache.read(LARGE)).toBe(false);
  expect([LARGE, SMALL].map((model) => cache.read(model))).toEqual([true, true]);
  expect(cache.read(MODEL)).toBe(false);
});
