// JSON's grammar as Go's encoding/json sees it: the same bodies pass, the others fail at the same byte with the same words.
// Nothing is built on the way: the answer is where the value and its members lie.
import type { JsonSpan, JsonType } from "./json-bytes.ts";
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  END,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  byteAt,
  skipSpace,
  typeOfFirstByte,
} from "./json-bytes.ts";
import { PlainRun } from "./json-plain-run.ts";

export type ShapeLimits = { readonly maxDepth: number; readonly maxKeys: number; readonly maxElements: number };

/** Where reading stopped: at a byte (or the end) that JSON does not allow there, or at a limit. */
export type GrammarFault =
  | { readonly kind: "syntax"; readonly at: number; readonly context: string }
  | { readonly kind: "limit"; readonly message: string };

/** A member of the outermost object: where its key lies (between the quotes) and where its value does. */
export type OuterMember = {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly value: JsonSpan;
  /** 0 unless the value is an array. */
  readonly elementCount: number;
};

const FAILED = -1;

/** Reads one value of one body. Methods answer the index behind what they read, or FAILED with `fault` set. */
export class JsonGrammar {
  readonly outerMembers: OuterMember[] = [];
  fault: GrammarFault | undefined;
  private readonly bytes: Uint8Array;
  private readonly limits: ShapeLimits;
  private readonly plainRun: PlainRun;
  private keyCount = 0;
  private elementTotal = 0;
  private lastElementCount = 0;

  constructor(bytes: Uint8Array, limits: ShapeLimits) {
    this.bytes = bytes;
    this.limits = limits;
    this.plainRun = new PlainRun(bytes);
  }

  /** Reads the body's first value; undefined when it fails. */
  readBody(): JsonSpan | undefined {
    const start = skipSpace(this.bytes, 0);
    const end = this.value(start, 0);
    return end === FAILED ? undefined : { start, end, type: this.typeAt(start) };
  }

  private value(at: number, depth: number): number {
    const first = byteAt(this.bytes, at);
    switch (first) {
      case QUOTE:
        return this.string(at + 1);
      case OPEN_OBJECT:
        return this.object(at + 1, depth + 1);
      case OPEN_ARRAY:
        return this.array(at + 1, depth + 1);
      case 0x74:
        return this.literal(at, "true");
      case 0x66:
        return this.literal(at, "false");
      case 0x6e:
        return this.literal(at, "null");
      default:
        return first === 0x2d || isDigit(first)
          ? this.number(at)
          : this.unexpected(at, "looking for beginning of value");
    }
  }

  private object(from: number, depth: number): number {
    if (depth > this.limits.maxDepth) return this.tooMuch(`JSON is nested deeper than ${this.limits.maxDepth} levels`);
    let at = skipSpace(this.bytes, from);
    if (byteAt(this.bytes, at) === CLOSE_OBJECT) return at + 1;
    for (;;) {
      at = this.member(at, depth);
      if (at === FAILED) return FAILED;
      at = skipSpace(this.bytes, at);
      const byte = byteAt(this.bytes, at);
      if (byte === CLOSE_OBJECT) return at + 1;
      if (byte !== COMMA) return this.unexpected(at, "after object key:value pair");
      at = skipSpace(this.bytes, at + 1);
    }
  }

  private member(at: number, depth: number): number {
    const { bytes } = this;
    if (byteAt(bytes, at) !== QUOTE) return this.unexpected(at, "looking for beginning of object key string");
    if (++this.keyCount > this.limits.maxKeys) return this.tooMuch(`JSON has more than ${this.limits.maxKeys} keys`);
    const behindKey = this.string(at + 1);
    if (behindKey === FAILED) return FAILED;
    const colon = skipSpace(bytes, behindKey);
    if (byteAt(bytes, colon) !== COLON) return this.unexpected(colon, "after object key");
    const start = skipSpace(bytes, colon + 1);
    const end = this.value(start, depth);
    if (depth === 1 && end !== FAILED) {
      const type = this.typeAt(start);
      const elementCount = type === "array" ? this.lastElementCount : 0;
      this.outerMembers.push({ keyStart: at + 1, keyEnd: behindKey - 1, value: { start, end, type }, elementCount });
    }
    return end;
  }

  private array(from: number, depth: number): number {
    if (depth > this.limits.maxDepth) return this.tooMuch(`JSON is nested deeper than ${this.limits.maxDepth} levels`);
    let at = skipSpace(this.bytes, from);
    let elementCount = 0;
    if (byteAt(this.bytes, at) === CLOSE_ARRAY) {
      this.lastElementCount = 0;
      return at + 1;
    }
    for (;;) {
      at = this.value(at, depth);
      if (at === FAILED) return FAILED;
      elementCount++;
      if (++this.elementTotal > this.limits.maxElements)
        return this.tooMuch(`JSON has more than ${this.limits.maxElements} array elements`);
      at = skipSpace(this.bytes, at);
      const byte = byteAt(this.bytes, at);
      if (byte === CLOSE_ARRAY) break;
      if (byte !== COMMA) return this.unexpected(at, "after array element");
      at = skipSpace(this.bytes, at + 1);
    }
    // Set last of all, so that an outer member reads its own array's count and not that of an array inside it.
    this.lastElementCount = elementCount;
    return at + 1;
  }

  private string(from: number): number {
    let at = from;
    for (;;) {
      at = this.plainRun.endFrom(at);
      const byte = byteAt(this.bytes, at);
      if (byte === QUOTE) return at + 1;
      if (byte !== BACKSLASH) return this.unexpected(at, "in string literal");
      at = this.escape(at + 1);
      if (at === FAILED) return FAILED;
    }
  }

  private escape(at: number): number {
    switch (byteAt(this.bytes, at)) {
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
      case BACKSLASH:
      case 0x2f: // slash
      case QUOTE:
        return at + 1;
      case 0x75: // u
        for (let digit = at + 1; digit < at + 5; digit++) {
          if (!isHexDigit(byteAt(this.bytes, digit)))
            return this.unexpected(digit, String.raw`in \u hexadecimal character escape`);
        }
        return at + 5;
      default:
        return this.unexpected(at, "in string escape code");
    }
  }

  private number(from: number): number {
    const { bytes } = this;
    let at = byteAt(bytes, from) === 0x2d ? from + 1 : from;
    if (!isDigit(byteAt(bytes, at))) return this.unexpected(at, "in numeric literal");
    // A leading zero stands alone: what follows it is judged as what follows a number.
    at = byteAt(bytes, at) === 0x30 ? at + 1 : this.digits(at);
    if (byteAt(bytes, at) === 0x2e) {
      if (!isDigit(byteAt(bytes, at + 1))) return this.unexpected(at + 1, "after decimal point in numeric literal");
      at = this.digits(at + 1);
    }
    if ((byteAt(bytes, at) | 0x20) !== 0x65) return at;
    at++;
    if (byteAt(bytes, at) === 0x2b || byteAt(bytes, at) === 0x2d) at++;
    return isDigit(byteAt(bytes, at)) ? this.digits(at) : this.unexpected(at, "in exponent of numeric literal");
  }

  private digits(from: number): number {
    let at = from;
    while (isDigit(byteAt(this.bytes, at))) at++;
    return at;
  }

  private literal(from: number, word: string): number {
    for (let index = 1; index < word.length; index++) {
      if (byteAt(this.bytes, from + index) !== word.charCodeAt(index)) {
        return this.unexpected(from + index, `in literal ${word} (expecting '${word.charAt(index)}')`);
      }
    }
    return from + word.length;
  }

  /** Only for an index where a value has already been read. */
  private typeAt(at: number): JsonType {
    return typeOfFirstByte(byteAt(this.bytes, at)) ?? "null";
  }

  private unexpected(at: number, context: string): number {
    this.fault = { kind: "syntax", at, context };
    return FAILED;
  }

  private tooMuch(message: string): number {
    this.fault = { kind: "limit", message };
    return FAILED;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** The error text that Go's json.Decoder gives for a fault at this byte. */
export function goSyntaxMessage(bytes: Uint8Array, at: number, context: string): string {
  const byte = byteAt(bytes, at);
  if (byte !== END) return `invalid character ${quoteLikeGo(byte)} ${context}`;
  return skipSpace(bytes, 0) === bytes.length ? "EOF" : "unexpected EOF";
}

const GO_ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x07, String.raw`\a`],
  [0x08, String.raw`\b`],
  [0x09, String.raw`\t`],
  [0x0a, String.raw`\n`],
  [0x0b, String.raw`\v`],
  [0x0c, String.raw`\f`],
  [0x0d, String.raw`\r`],
  [0x27, String.raw`\'`],
  [BACKSLASH, String.raw`\\`],
  // Go reads the byte as a Latin-1 character; these two cannot be seen, so it escapes them.
  [0xa0, String.raw`\u00a0`],
  [0xad, String.raw`\u00ad`],
]);

function quoteLikeGo(byte: number): string {
  const escaped = GO_ESCAPES.get(byte);
  if (escaped !== undefined) return `'${escaped}'`;
  const hex = byte.toString(16).padStart(2, "0");
  if (byte < 0x20 || byte === 0x7f) return String.raw`'\x${hex}'`;
  if (byte >= 0x80 && byte < 0xa0) return String.raw`'\u00${hex}'`;
  return `'${String.fromCharCode(byte)}'`;
}
