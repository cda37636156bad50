// The few byte values JSON is made of, and reading them from a body.

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;

/** What byteAt answers behind the last byte: no byte has this value. */
export const END = -1;

/** The byte at an index, or END. */
export function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? END;
}

/** The index of the first byte from `at` that is not JSON white space. */
export function skipSpace(bytes: Uint8Array, at: number): number {
  let index = at;
  for (;;) {
    const byte = byteAt(bytes, index);
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return index;
    index++;
  }
}

export type JsonType = "object" | "array" | "string" | "number" | "boolean" | "null";

/** A value inside a body: bytes `start` up to, not including, `end`; a string's quotes belong to it. */
export type JsonSpan = { readonly start: number; readonly end: number; readonly type: JsonType };

/** The type of the value that begins with this byte; undefined where no value can. */
export function typeOfFirstByte(byte: number): JsonType | undefined {
  switch (byte) {
    case OPEN_OBJECT:
      return "object";
    case OPEN_ARRAY:
      return "array";
    case QUOTE:
      return "string";
    case 0x74: // t
    case 0x66: // f
      return "boolean";
    case 0x6e: // n
      return "null";
    default:
      return byte === 0x2d || (byte >= 0x30 && byte <= 0x39) ? "number" : undefined;
  }
}
