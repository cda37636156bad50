// Turns spans of a scanned body into JavaScript values; only the span's own bytes are decoded.
import type { JsonSpan } from "./json-bytes.ts";
import { BACKSLASH, byteAt } from "./json-bytes.ts";

// Workers and Node have it, the type library of this room does not.
declare const TextDecoder: new (
  label: string,
  options: { fatal?: boolean; ignoreBOM?: boolean },
) => { decode(bytes: Uint8Array): string };

const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Reads a string, number, boolean or null; undefined for no span, an object or an array. */
export function readScalar(
  bytes: Uint8Array,
  span: JsonSpan | undefined,
): string | number | boolean | null | undefined {
  if (span === undefined) return undefined;
  if (span.type === "string") return readString(bytes, span);
  if (span.type === "number") return Number(lenientUtf8.decode(bytes.subarray(span.start, span.end)));
  if (span.type === "boolean") return byteAt(bytes, span.start) === 0x74;
  return span.type === "null" ? null : undefined;
}

/**
 * Reads a string; undefined for any other value. As in Go, what is not Unicode becomes U+FFFD: a lone surrogate escape exactly
 * as there, while a run of bad bytes may give fewer of them here than Go's one for each byte.
 */
export function readString(bytes: Uint8Array, span: JsonSpan | undefined): string | undefined {
  if (span?.type !== "string") return undefined;
  const plain = readPlain(bytes, span.start + 1, span.end - 1);
  if (plain !== undefined) return plain;
  const text = lenientUtf8.decode(bytes.subarray(span.start, span.end));
  return (JSON.parse(text) as string).toWellFormed();
}

/** Builds a whole value, so only for small ones: tools, a format, a list of stop words. */
export function readJson(bytes: Uint8Array, span: JsonSpan | undefined): unknown {
  return span === undefined ? undefined : JSON.parse(lenientUtf8.decode(bytes.subarray(span.start, span.end)));
}

/** Reads a key from the bytes between its quotes, escapes decoded; undefined where it is not valid Unicode. */
export function readKey(bytes: Uint8Array, start: number, end: number): string | undefined {
  const plain = readPlain(bytes, start, end);
  if (plain !== undefined) return plain;
  try {
    const key = JSON.parse(strictUtf8.decode(bytes.subarray(start - 1, end + 1))) as string;
    return key.isWellFormed() ? key : undefined;
  } catch (cause) {
    if (cause instanceof TypeError) return undefined;
    throw cause;
  }
}

// Below this length a loop is faster than the decoder.
const SHORT_BYTES = 48;

/** Short, plain ASCII without escapes: nearly every key, role and model name. */
function readPlain(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT_BYTES) return undefined;
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = byteAt(bytes, at);
    if (byte >= 0x80 || byte === BACKSLASH) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
