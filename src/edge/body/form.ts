// Reads the model out of a multipart form without building its parts. Go's reader forgives much (other line ends, a preamble,
// encodings, names written in several ways); what two readers could take for different forms is refused, as with JSON.
import type { Result } from "../../wire/result.ts";

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;
const BOUNDARY =
  /^multipart\/form-data;\s*boundary=(?:"([A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-])"|([A-Za-z0-9'()+_.-]{1,70}))$/i;
/** `filename*` is how a name beyond ASCII is written, and none of ours. */
const DISPOSITION = /^form-data; name="([^"\\\r\n]*)"(; filename="[^"\\\r\n]*")?(; filename\*=[^"\\\r\n;]*)?$/i;
const HEADER = /^([A-Za-z-]+): *([\x20-\x7e\x80-\xff]*)$/;
const PART_HEAD_MAX_BYTES = 4_096;
const PARTS_MAX = 100;
/** Fields that are read by name: of each there is one. */
const SINGLE: ReadonlySet<string> = new Set(["model", "file", "language", "prompt", "response_format"]);
const PARSE_FAILED = "failed to parse multipart form:";

export interface FormFault {
  readonly code: "malformed" | "ambiguous";
  readonly message: string;
}

export interface Form {
  /** Value of the field `model`; empty when there is none. */
  readonly model: string;
  /** Where its bytes are. */
  readonly modelSpan?: { readonly start: number; readonly end: number };
  /** Size of the field `file`; undefined when there is none. */
  readonly fileBytes: number | undefined;
}

/** Reads a form, or says what Ollama would say to it. */
export function readForm(contentType: string, bytes: Uint8Array): Result<Form, FormFault> {
  if (!/^multipart\/form-data\b/i.test(contentType)) return malformed("request Content-Type isn't multipart/form-data");
  if (!/;\s*boundary=/i.test(contentType)) return malformed("no multipart boundary param in Content-Type");
  const [, quoted, bare] = BOUNDARY.exec(contentType.trim()) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) return ambiguous("the boundary of the form is written in an unusual way");
  const parts = splitParts(bytes, new TextEncoder().encode(`--${boundary}`));
  return parts.ok ? readParts(parts.value) : parts;
}

interface Part {
  readonly head: string;
  readonly body: Uint8Array;
  readonly start: number;
  /** Where the line end before the next boundary is. */
  readonly end: number;
}

function readParts(parts: readonly Part[]): Result<Form, FormFault> {
  const seen = new Set<string>();
  let model = "";
  let modelSpan: Form["modelSpan"];
  let fileBytes: number | undefined;
  for (const { head, body, start } of parts) {
    const name = nameOf(head);
    if (name === undefined) return ambiguous("a part of the form has unusual headers");
    if (seen.has(name) && SINGLE.has(name)) return ambiguous(`the form has the field ${name} twice`);
    seen.add(name);
    // Without a file name it is a value, with one it is a file, whatever its name.
    if (name === "model" && !/; filename/i.test(head)) {
      model = new TextDecoder().decode(body);
      modelSpan = { start, end: start + body.byteLength };
    }
    if (name === "file" && /; filename/i.test(head)) fileBytes = body.byteLength;
  }
  return { ok: true, value: { model, fileBytes, ...(modelSpan === undefined ? {} : { modelSpan }) } };
}

/** The field's name, where the part's headers are the two that clients write. */
function nameOf(head: string): string | undefined {
  let name: string | undefined;
  for (const line of head.split("\r\n")) {
    const [, key = "", value = ""] = HEADER.exec(line) ?? [];
    if (key.toLowerCase() === "content-type" || key.toLowerCase() === "content-length") continue;
    const disposition = key.toLowerCase() === "content-disposition" ? DISPOSITION.exec(value) : null;
    if (disposition === null || name !== undefined) return undefined;
    name = disposition[1];
  }
  return name;
}

function splitParts(bytes: Uint8Array, delimiter: Uint8Array): Result<Part[], FormFault> {
  if (bytes.byteLength === 0) return malformed("multipart: NextPart: EOF");
  if (!startsWith(bytes, delimiter, 0)) return ambiguous("the form does not begin with its boundary");
  const parts: Part[] = [];
  let at = delimiter.byteLength;
  while (!(bytes[at] === DASH && bytes[at + 1] === DASH)) {
    if (parts.length === PARTS_MAX) return ambiguous("the form has too many parts");
    const part = readPart(bytes, delimiter, at);
    if (!part.ok) return part;
    parts.push(part.value);
    at = part.value.end + 2 + delimiter.byteLength;
  }
  const isLast = at + 2 === bytes.byteLength || isLineEnd(bytes, at + 2);
  return isLast ? { ok: true, value: parts } : ambiguous("the end of the form is followed by other text");
}

/** The part whose boundary ends at `at`. */
function readPart(bytes: Uint8Array, delimiter: Uint8Array, at: number): Result<Part, FormFault> {
  if (!isLineEnd(bytes, at)) return ambiguous("a boundary of the form is followed by other text");
  const headEnd = findHeadEnd(bytes, at + 2);
  if (headEnd === undefined) return malformed("multipart: NextPart: EOF");
  const end = findDelimiter(bytes, delimiter, headEnd + 2);
  if (end === undefined) return malformed("unexpected EOF");
  const head = new TextDecoder("latin1").decode(bytes.subarray(at + 2, headEnd));
  const start = headEnd + 4;
  return { ok: true, value: { head, body: bytes.subarray(start, Math.max(start, end)), start, end } };
}

function isLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === CR && bytes[at + 1] === LF;
}

/** Where the empty line after a part's headers begins. */
function findHeadEnd(bytes: Uint8Array, from: number): number | undefined {
  for (let at = from; at < from + PART_HEAD_MAX_BYTES; at += 1) {
    at = bytes.indexOf(CR, at);
    if (at < 0) return undefined;
    if (isLineEnd(bytes, at) && isLineEnd(bytes, at + 2)) return at;
  }
  return undefined;
}

/** Where the line end before the next delimiter is. */
function findDelimiter(bytes: Uint8Array, delimiter: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1))
    if (isLineEnd(bytes, at) && startsWith(bytes, delimiter, at + 2)) return at;
  return undefined;
}

function startsWith(bytes: Uint8Array, wanted: Uint8Array, from: number): boolean {
  return wanted.every((byte, at) => bytes[from + at] === byte);
}

function malformed(reason: string): { ok: false; error: FormFault } {
  return { ok: false, error: { code: "malformed", message: `${PARSE_FAILED} ${reason}` } };
}

function ambiguous(message: string): { ok: false; error: FormFault } {
  return { ok: false, error: { code: "ambiguous", message } };
}
