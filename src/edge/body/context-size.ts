// CONTEXT_SIZES: rounds the context a client asks for up to one of a few, so that clients do not make hosts reload in turn.
import type { JsonSpan } from "../../wire/json-bytes.ts";

/** Answers the smallest of the sizes that holds a context; itself where none does, or where there are no sizes. */
export function roundContext(numCtx: number, sizes: readonly number[]): number {
  let best = Infinity;
  for (const size of sizes) if (size >= numCtx && size < best) best = size;
  return best === Infinity ? numCtx : best;
}

/** Writes a body out anew with another number at a span; every other byte stays what the client wrote. */
export function writeNumber(bytes: Uint8Array, { start, end }: JsonSpan, value: number): Uint8Array {
  const digits = new TextEncoder().encode(String(value));
  const written = new Uint8Array(start + digits.length + bytes.length - end);
  written.set(bytes.subarray(0, start));
  written.set(digits, start);
  written.set(bytes.subarray(end), start + digits.length);
  return written;
}
