// Caps the length of an answer where the tenant has a cap: the one member that says it is written anew, the rest stays as it is.
import { scanBody } from "../../wire/json-scan.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import type { JsonSpan } from "../../wire/json-bytes.ts";
import { readScalar } from "../../wire/json-text.ts";
import { applyEdits } from "./edit-body.ts";
import type { Edit } from "./edit-body.ts";

/** Where each endpoint says how long an answer may be; the first is written where none is there. */
const MEMBERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["/v1/chat/completions", ["max_tokens", "max_completion_tokens"]],
  ["/v1/completions", ["max_tokens"]],
  ["/v1/responses", ["max_output_tokens"]],
  ["/v1/messages", ["max_tokens"]],
]);
const IN_OPTIONS: ReadonlySet<string> = new Set(["/api/generate", "/api/chat"]);

/** The body with its answer capped; the same bytes where nothing has to change. */
export function capOutput(path: string, bytes: Uint8Array, cap: number): Uint8Array {
  const scanned = scanBody(bytes);
  if (!scanned.ok) return bytes;
  const edits = IN_OPTIONS.has(path)
    ? capOption(scanned.body, cap)
    : capMembers(scanned.body, MEMBERS.get(path) ?? [], cap);
  return edits.length === 0 ? bytes : applyEdits(bytes, edits);
}

function capOption(body: ScannedBody, cap: number): Edit[] {
  const known = body.options.get("num_predict");
  if (known !== undefined) return capValue(body, known, cap);
  const options = body.members.get("options");
  const member = `"num_predict":${String(cap)}`;
  if (options === undefined) return [insertFirst(body.bytes, 0, `"options":{${member}}`)];
  if (options.type !== "object") return [{ start: options.start, end: options.end, text: `{${member}}` }];
  return [insertFirst(body.bytes, options.start, member)];
}

function capMembers(body: ScannedBody, names: readonly string[], cap: number): Edit[] {
  const [first] = names;
  if (first === undefined) return [];
  const edits = names.flatMap((name) => {
    const known = body.members.get(name);
    return known === undefined ? [] : capValue(body, known, cap);
  });
  const isSaid = body.members.has(first);
  return isSaid ? edits : [insertFirst(body.bytes, 0, `"${first}":${String(smallest(body, names, cap))}`), ...edits];
}

/** To Ollama 0 and less mean "without end". */
function capValue({ bytes }: ScannedBody, span: JsonSpan, cap: number): Edit[] {
  return isWithin(readScalar(bytes, span), cap) ? [] : [{ start: span.start, end: span.end, text: String(cap) }];
}

function isWithin(value: unknown, cap: number): value is number {
  return typeof value === "number" && value >= 1 && value <= cap;
}

function smallest(body: ScannedBody, names: readonly string[], cap: number): number {
  const said = names.map((name) => readScalar(body.bytes, body.members.get(name)));
  return Math.min(cap, ...said.filter((value) => isWithin(value, cap)));
}

/** Behind the brace at or after `from`. */
function insertFirst(bytes: Uint8Array, from: number, member: string): Edit {
  const at = bytes.indexOf(0x7b, from) + 1;
  let next = at;
  while (isSpace(bytes[next])) next += 1;
  return { start: at, end: at, text: bytes[next] === 0x7d ? member : `${member},` };
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
