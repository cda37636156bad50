// Reads the first JSON value of a body as Go's json.Decoder does: same grammar, same error texts, keys in order and repeated.

export type GoNode =
  | { readonly kind: "null" }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "array"; readonly items: GoNode[] }
  | { readonly kind: "object"; readonly entries: [key: string, value: GoNode][] };

/** Go's error text for a body that is not JSON; `EOF` alone when there was nothing but space. */
export class GoSyntaxError extends Error {
  override name = "GoSyntaxError";
}

// encoding/json: maxNestingDepth.
const MAX_DEPTH = 10_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const MINUS = 0x2d;

type Container = Extract<GoNode, { kind: "array" | "object" }>;

/** Reads one JSON value and ignores every byte after it. */
export function readFirstValue(bytes: Uint8Array): GoNode {
  return new Scanner(bytes).read();
}

class Scanner {
  private at = 0;
  private readonly open: Container[] = [];
  private readonly keys: string[] = [];
  private readonly bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): GoNode {
    this.skipSpace();
    if (this.at >= this.bytes.length) throw new GoSyntaxError("EOF");
    for (;;) {
      const value = this.readValueStart();
      if (value === undefined) continue;
      const finished = this.close(value);
      if (finished !== undefined) return finished;
    }
  }

  /** Reads a whole scalar or an empty container, or opens a container and answers undefined. */
  private readValueStart(): GoNode | undefined {
    const first = this.byte();
    if (first === OPEN_OBJECT) return this.openContainer({ kind: "object", entries: [] }, CLOSE_OBJECT);
    if (first === OPEN_ARRAY) return this.openContainer({ kind: "array", items: [] }, CLOSE_ARRAY);
    if (first === QUOTE) return { kind: "string", value: this.readString() };
    if (first === MINUS || isDigit(first)) return { kind: "number", text: this.readNumber() };
    if (first === 0x74) return this.readLiteral("true", { kind: "bool", value: true });
    if (first === 0x66) return this.readLiteral("false", { kind: "bool", value: false });
    if (first === 0x6e) return this.readLiteral("null", { kind: "null" });
    return this.fail("looking for beginning of value");
  }

  private openContainer(container: Container, closing: number): GoNode | undefined {
    if (this.open.length >= MAX_DEPTH) return this.fail("exceeded max depth");
    this.at++;
    this.skipSpace();
    if (this.byte() === closing) {
      this.at++;
      return container;
    }
    this.open.push(container);
    if (container.kind === "object") this.readKey();
    return undefined;
  }

  /** Hands a finished value to its container, and that one to its own, until more values are expected. */
  private close(value: GoNode): GoNode | undefined {
    let finished = value;
    for (;;) {
      const parent = this.open.at(-1);
      if (parent === undefined) return finished;
      if (parent.kind === "object") parent.entries.push([this.keys.pop() ?? "", finished]);
      else parent.items.push(finished);
      this.skipSpace();
      const next = this.byte();
      if (next === COMMA) {
        this.at++;
        this.skipSpace();
        if (parent.kind === "object") this.readKey();
        return undefined;
      }
      const closing = parent.kind === "object" ? CLOSE_OBJECT : CLOSE_ARRAY;
      if (next !== closing) {
        return this.fail(parent.kind === "object" ? "after object key:value pair" : "after array element");
      }
      this.at++;
      this.open.pop();
      finished = parent;
    }
  }

  private readKey(): void {
    if (this.byte() !== QUOTE) this.fail("looking for beginning of object key string");
    this.keys.push(this.readString());
    this.skipSpace();
    if (this.byte() !== COLON) this.fail("after object key");
    this.at++;
    this.skipSpace();
  }

  private readString(): string {
    const start = ++this.at;
    let escaped = false;
    for (;;) {
      const byte = this.byte();
      if (byte === QUOTE) break;
      if (byte < 0x20) this.fail("in string literal");
      this.at++;
      if (byte === BACKSLASH) {
        escaped = true;
        this.readEscape();
      }
    }
    const text = goText(this.bytes.subarray(start, this.at));
    this.at++;
    // Go puts U+FFFD where an escape is half a surrogate pair.
    return escaped ? String(JSON.parse(`"${text}"`)).toWellFormed() : text;
  }

  private readEscape(): void {
    const code = this.byte();
    if (code !== 0x75) {
      if (!'bfnrt\\/"'.includes(String.fromCharCode(code))) this.fail("in string escape code");
      this.at++;
      return;
    }
    this.at++;
    for (let digit = 0; digit < 4; digit++) {
      if (!/[0-9a-fA-F]/.test(String.fromCharCode(this.byte()))) this.fail("in \\u hexadecimal character escape");
      this.at++;
    }
  }

  private readNumber(): string {
    const start = this.at;
    if (this.byte() === MINUS) {
      this.at++;
      if (!isDigit(this.byte())) this.fail("in numeric literal");
    }
    if (this.byte() === 0x30) this.at++;
    else this.skipDigits();
    if (this.bytes[this.at] === 0x2e) {
      this.at++;
      if (!isDigit(this.byte())) this.fail("after decimal point in numeric literal");
      this.skipDigits();
    }
    const exponent = this.bytes[this.at];
    if (exponent === 0x65 || exponent === 0x45) {
      this.at++;
      if (this.byte() === MINUS || this.byte() === 0x2b) this.at++;
      if (!isDigit(this.byte())) this.fail("in exponent of numeric literal");
      this.skipDigits();
    }
    return this.bytes.toString("latin1", start, this.at);
  }

  private readLiteral(word: string, node: GoNode): GoNode {
    for (let index = 0; index < word.length; index++, this.at++) {
      if (this.byte() !== word.charCodeAt(index)) this.fail(`in literal ${word} (expecting '${word[index]}')`);
    }
    return node;
  }

  private skipSpace(): void {
    for (;;) {
      const byte = this.bytes[this.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at++;
    }
  }

  private skipDigits(): void {
    while (isDigit(this.bytes[this.at] ?? 0)) this.at++;
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new GoSyntaxError("unexpected EOF");
    return byte;
  }

  private fail(context: string): never {
    throw new GoSyntaxError(`invalid character ${quoteByte(this.byte())} ${context}`);
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

const REPLACEMENT = "\uFFFD";
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** UTF-8 as Go ranges over it: every byte that belongs to no character is a U+FFFD of its own, where the web counts fewer. */
function goText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes(REPLACEMENT)) return text;
  const pieces: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const piece = bytes.subarray(at, at + characterLength(bytes[at] ?? 0));
    const decoded = piece.toString("utf8");
    const valid = !decoded.includes(REPLACEMENT) || piece.equals(REPLACEMENT_BYTES);
    pieces.push(valid ? decoded : REPLACEMENT);
    at += valid ? piece.length : 1;
  }
  return pieces.join("");
}

function characterLength(lead: number): number {
  if (lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

const SHORT_ESCAPES = new Map([
  [0x07, "\\a"],
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0b, "\\v"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [0x27, "\\'"],
  [0x22, '"'],
  [0x5c, "\\\\"],
]);

/** One byte as Go's quoteChar writes it: the byte is taken for a Latin-1 character. */
function quoteByte(byte: number): string {
  const hex = byte.toString(16).padStart(2, "0");
  const short = SHORT_ESCAPES.get(byte);
  if (short !== undefined) return `'${short}'`;
  if (byte < 0x20 || byte === 0x7f) return `'\\x${hex}'`;
  if ((byte >= 0x80 && byte <= 0xa0) || byte === 0xad) return `'\\u00${hex}'`;
  return `'${String.fromCharCode(byte)}'`;
}
