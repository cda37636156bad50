// Durations of settings and flags.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { durationSetting, formatDuration, parseDuration } from "../../src/wire/duration.ts";

describe("duration", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["30d", 2_592_000_000],
    ["1.5s", 1_500],
    ["1.1m", 66_000],
    ["0s", 0],
    [" 30s ", 30_000],
  ])("%j is %d ms", (text, durationMs) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: durationMs });
  });

  it.each([
    "",
    "30",
    "s",
    "-1s",
    "+1s",
    "1 s",
    "1S",
    "1M",
    "1w",
    "1h30m",
    "0x10s",
    "1e3s",
    ".5s",
    "1.s",
    "0.4ms",
    "NaNs",
    "Infinitys",
    "9999999999999999d",
  ])("refuses %j and names what is allowed", (text) => {
    expect(parseDuration(text)).toEqual({ ok: false, error: expect.stringMatching(/ms, s, m, h or d/) });
  });

  it.each([
    [90_000, "90s"],
    [120_000, "2m"],
    [1_500, "1500ms"],
    [2_592_000_000, "30d"],
    [0, "0ms"],
  ])("%d ms is written %s", (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });

  it("reads back what it wrote", () => {
    fc.assert(
      fc.property(fc.nat(), (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toEqual({ ok: true, value: durationMs });
      }),
    );
  });

  it("is a setting both ways", () => {
    const settings = z.object({ TIMEOUT: durationSetting });
    expect(settings.parse({ TIMEOUT: "500ms" })).toEqual({ TIMEOUT: 500 });
    expect(settings.encode({ TIMEOUT: 30_000 })).toEqual({ TIMEOUT: "30s" });
    expect(settings.safeParse({ TIMEOUT: "soon" }).error?.issues).toMatchObject([
      { code: "custom", path: ["TIMEOUT"] },
    ]);
  });

  it("takes a default written as people write it", () => {
    expect(z.object({ TIMEOUT: durationSetting.prefault("500ms") }).parse({})).toEqual({ TIMEOUT: 500 });
  });
});
