// The cells as the edge asks them: made where their region is, and named exactly as CELLS has them.
import { expect, it } from "vitest";
import { cellOf } from "../../src/edge/env.ts";
import type { Env } from "../../src/edge/env.ts";
import { cellsSetting, ONE_CELL } from "../../src/wire/cells.ts";

it("gives the region of a cell to Cloudflare as the place to make it, and none for a cell of no place", () => {
  const asked: unknown[] = [];
  const namespace = { getByName: (...given: unknown[]) => void asked.push(given) };
  const env = { CELL: namespace } as unknown as Env;
  for (const site of cellsSetting.parse("default:weur, gpu:apac-ne:3, default:any")) cellOf(env, site);
  cellOf(env, ONE_CELL);
  expect(asked).toEqual([
    ["cell:default:weur", { locationHint: "weur" }],
    ["cell:gpu:apac-ne:3", { locationHint: "apac-ne" }],
    ["cell:default:any", {}],
    ["cell:default:any", {}],
  ]);
});
