// What hosts said of their models is kept for a minute, within a bound.
import { expect, it } from "vitest";
import { ShownModels } from "../../src/edge/models/shown-models.ts";

const T0 = 1_800_000_000_000;
const answer = (sizeBytes: number) => ({ body: new Uint8Array(sizeBytes), contentType: "application/json" });

it("gives an answer for a minute from when it was put, and not after", () => {
  const shown = new ShownModels();
  shown.put("a", answer(10), T0);
  expect(shown.get("a", T0 + 59_999)?.body.byteLength).toBe(10);
  expect(shown.get("b", T0)).toBeUndefined();
  expect(shown.get("a", T0 + 60_000)).toBeUndefined();
  shown.put("a", answer(20), T0 + 60_000);
  expect(shown.get("a", T0 + 119_999)?.body.byteLength).toBe(20);
});

it("holds no more than 8 MB, and of one answer no more than 2 MB", () => {
  const shown = new ShownModels();
  shown.put("huge", answer(2_000_001), T0);
  expect(shown.get("huge", T0)).toBeUndefined();
  for (let index = 0; index < 1_000; index += 1) shown.put(`m${index}`, answer(1_000_000), T0);
  const held = Array.from({ length: 1_000 }, (_, index) => index).filter((index) => shown.get(`m${index}`, T0));
  expect(held).toEqual([993, 994, 995, 996, 997, 998, 999]);
});

it("counts an answer once, however often it is put", () => {
  const shown = new ShownModels();
  shown.put("other", answer(1_000_000), T0);
  for (let round = 0; round < 100; round += 1) shown.put("same", answer(1_900_000), T0);
  expect(shown.get("other", T0)).toBeDefined();
});
