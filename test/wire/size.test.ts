// Sizes of settings and flags.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { formatSize, parseSize, sizeSetting } from "../../src/wire/size.ts";

describe("size", () => {
  it.each([
    ["32MB", 32_000_000],
    ["32mb", 32_000_000],
    ["32MiB", 33_554_432],
    ["1GiB", 1_073_741_824],
    ["1.5GB", 1_500_000_000],
    ["0.5KiB", 512],
    ["8TB", 8_000_000_000_000],
    ["512", 512],
    ["512B", 512],
    ["0", 0],
  ])("%j is %d bytes", (text, sizeBytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: sizeBytes });
  });

  it.each([
    "",
    "MB",
    "-1MB",
    "1 MB",
    "1.5",
    "1.5B",
    "32M",
    "32Mb/s",
    "1PB",
    "0x10",
    "1e3",
    "1,000",
    "9007199254740993",
    "99999TiB1",
  ])("refuses %j and names what is allowed", (text) => {
    expect(parseSize(text)).toEqual({ ok: false, error: expect.stringMatching(/KB, MB, GB/) });
  });

  it.each([
    [32_000_000, "32MB"],
    [1_073_741_824, "1GiB"],
    [1_500, "1500B"],
    [0, "0B"],
  ])("%d bytes are written %s", (sizeBytes, text) => {
    expect(formatSize(sizeBytes)).toBe(text);
  });

  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (sizeBytes) => {
        expect(parseSize(formatSize(sizeBytes))).toEqual({ ok: true, value: sizeBytes });
      }),
    );
  });

  it("is a setting both ways", () => {
    const settings = z.object({ MAX_BODY: sizeSetting.prefault("32MB") });
    expect(settings.parse({})).toEqual({ MAX_BODY: 32_000_000 });
    expect(settings.encode({ MAX_BODY: 1_048_576 })).toEqual({ MAX_BODY: "1MiB" });
    expect(settings.safeParse({ MAX_BODY: "big" }).error?.issues).toMatchObject([
      { code: "custom", path: ["MAX_BODY"] },
    ]);
  });
});
