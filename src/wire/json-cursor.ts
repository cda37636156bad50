// Walks JSON that is already known to be valid: to the members and elements of a value, over strings without looking inside.
import type { JsonSpan, JsonType } from "./json-bytes.ts";
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  byteAt,
  skipSpace,
  typeOfFirstByte,
} from "./json-bytes.ts";

// A call of indexOf costs as much as looking at this many bytes.
const NEAR_BYTES = 32;

/** Calls `visit` for each member of an object, with the key's bytes (between the quotes) and the value's span. */
export function eachMember(
  bytes: Uint8Array,
  object: JsonSpan,
  visit: (keyStart: number, keyEnd: number, value: JsonSpan) => void,
): void {
  let at = skipSpace(bytes, object.start + 1);
  while (byteAt(bytes, at) === QUOTE) {
    const keyStart = at + 1;
    const behindKey = skipString(bytes, keyStart);
    const colon = skipSpace(bytes, behindKey);
    const value = spanAt(bytes, skipSpace(bytes, colon + 1));
    visit(keyStart, behindKey - 1, value);
    at = skipSpace(bytes, value.end);
    if (byteAt(bytes, at) === COMMA) at = skipSpace(bytes, at + 1);
  }
}

/** Calls `visit` for each element of an array. */
export function eachElement(bytes: Uint8Array, array: JsonSpan, visit: (element: JsonSpan) => void): void {
  let at = skipSpace(bytes, array.start + 1);
  while (byteAt(bytes, at) !== CLOSE_ARRAY) {
    const element = spanAt(bytes, at);
    visit(element);
    at = skipSpace(bytes, element.end);
    if (byteAt(bytes, at) === COMMA) at = skipSpace(bytes, at + 1);
  }
}

/** What lies between a string's quotes; any other value whole. */
export function innerRange(span: JsonSpan): { start: number; end: number } {
  return span.type === "string" ? { start: span.start + 1, end: span.end - 1 } : { start: span.start, end: span.end };
}

function spanAt(bytes: Uint8Array, start: number): JsonSpan {
  const type = typeOfFirstByte(byteAt(bytes, start));
  if (type === undefined) throw new RangeError("the cursor needs JSON that has been scanned before");
  return { start, end: endOf(bytes, start, type), type };
}

function endOf(bytes: Uint8Array, start: number, type: JsonType): number {
  if (type === "string") return skipString(bytes, start + 1);
  return type === "object" || type === "array" ? skipContainer(bytes, start) : skipWord(bytes, start);
}

function skipContainer(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = byteAt(bytes, at);
    at = byte === QUOTE ? skipString(bytes, at + 1) : at + 1;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at;
  }
  return at;
}

/** Numbers, true, false and null end at the first byte that none of them contains. */
function skipWord(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const byte = byteAt(bytes, at);
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) return at;
    at++;
  }
}

function skipString(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const nearEnd = at + NEAR_BYTES;
    while (at < nearEnd) {
      const byte = byteAt(bytes, at);
      if (byte === QUOTE) return at + 1;
      at += byte === BACKSLASH ? 2 : 1;
    }
    const quote = bytes.indexOf(QUOTE, at);
    if (quote === -1) return bytes.length;
    if (!isEscaped(bytes, quote, at)) return quote + 1;
    at = quote + 1;
  }
  return at;
}

/** A quote is escaped by an odd run of backslashes before it; `from` is known to begin a character. */
function isEscaped(bytes: Uint8Array, quote: number, from: number): boolean {
  let run = quote;
  while (run > from && byteAt(bytes, run - 1) === BACKSLASH) run--;
  return (quote - run) % 2 === 1;
}
