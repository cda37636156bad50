// Lengths of time as people write them (`500ms`, `30s`, `30d`), and the milliseconds they stand for.
import * as z from "zod";
import type { Result } from "./result.ts";
import { readQuantity, writeQuantity } from "./quantity.ts";

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
  ["ms", 1],
]);

const ALLOWED = "a duration is a number with ms, s, m, h or d, for example 500ms, 30s, 5m, 1h or 30d";

/** Reads a duration into milliseconds; a number without a unit is refused, for nobody could say which was meant. */
export function parseDuration(text: string): Result<number, string> {
  const durationMs = readQuantity(text, UNITS_MS);
  return durationMs === undefined ? { ok: false, error: ALLOWED } : { ok: true, value: durationMs };
}

/** Writes milliseconds with the largest unit that divides them, so that parseDuration gives them back. */
export function formatDuration(durationMs: number): string {
  return writeQuantity(durationMs, UNITS_MS, "ms");
}

/** A setting such as `30s` on the outside, milliseconds on the inside. */
export const durationSetting = z.codec(z.string(), z.int().nonnegative(), {
  decode: (text, context) => {
    const parsed = parseDuration(text);
    if (parsed.ok) return parsed.value;
    context.issues.push({ code: "custom", input: text, message: parsed.error });
    return z.NEVER;
  },
  encode: formatDuration,
});
