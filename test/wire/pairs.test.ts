// GLOB=VALUE lists: read in order, and a bad one is named.
import * as z from "zod";
import { describe, expect, it } from "vitest";
import { pairsSetting } from "../../src/wire/pairs.ts";
import { readSettings } from "../../src/wire/settings.ts";

const setting = pairsSetting(z.enum(["x", "y"]));

describe("a list of pairs", () => {
  it("keeps its order, and takes spaces and empty parts", () => {
    expect(setting.parse(" A*=x , b:7b=y,")).toEqual([
      { glob: "a*", value: "x" },
      { glob: "b:7b", value: "y" },
    ]);
    expect(setting.parse("")).toEqual([]);
  });

  it("refuses what is no pair or has another value", () => {
    for (const text of ["a", "=x", "a=z", "a=x;b=y"]) expect(setting.safeParse(text).success).toBe(false);
  });

  it("is named by its variable when it is bad", () => {
    expect(readSettings({ MODEL_POLICY: "m=fastest" })).toMatchObject({
      ok: false,
      error: expect.stringContaining("MODEL_POLICY: expected GLOB=VALUE pairs") as string,
    });
    expect(readSettings({ HOST_TIERS: "gpu-*=0,spare-*=1" })).toMatchObject({
      ok: true,
      value: {
        HOST_TIERS: [
          { glob: "gpu-*", value: 0 },
          { glob: "spare-*", value: 1 },
        ],
      },
    });
  });
});
