// Amounts of memory as people write them (`32MB`, `1GiB`, plain bytes), and the bytes they stand for.
import * as z from "zod";
import type { Result } from "./result.ts";
import { readQuantity, writeQuantity } from "./quantity.ts";

// Largest first, and decimal before binary where both divide: formatSize takes the first that fits.
const UNITS_BYTES: ReadonlyMap<string, number> = new Map([
  ["TiB", 2 ** 40],
  ["TB", 1e12],
  ["GiB", 2 ** 30],
  ["GB", 1e9],
  ["MiB", 2 ** 20],
  ["MB", 1e6],
  ["KiB", 2 ** 10],
  ["KB", 1e3],
  ["B", 1],
]);

const READABLE: ReadonlyMap<string, number> = new Map([
  ...[...UNITS_BYTES].map(([unit, bytes]): [string, number] => [unit.toLowerCase(), bytes]),
  ["", 1],
]);

const ALLOWED =
  "a size is a number of bytes, or a number with KB, MB, GB, TB (1000s) or KiB, MiB, GiB, TiB (1024s), for example 32MB or 1GiB";

/** Reads a size into bytes; units in either case, `MB` is a million and `MiB` 2^20. */
export function parseSize(text: string): Result<number, string> {
  const sizeBytes = readQuantity(text.toLowerCase(), READABLE);
  return sizeBytes === undefined ? { ok: false, error: ALLOWED } : { ok: true, value: sizeBytes };
}

/** Writes bytes with the largest unit that divides them, so that parseSize gives them back. */
export function formatSize(sizeBytes: number): string {
  return writeQuantity(sizeBytes, UNITS_BYTES, "B");
}

/** A setting such as `32MB` on the outside, bytes on the inside. */
export const sizeSetting = z.codec(z.string(), z.int().nonnegative(), {
  decode: (text, context) => {
    const parsed = parseSize(text);
    if (parsed.ok) return parsed.value;
    context.issues.push({ code: "custom", input: text, message: parsed.error });
    return z.NEVER;
  },
  encode: formatSize,
});
