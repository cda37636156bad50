// Large batches of embeddings in parts: Ollama works through a batch one input at a time, a fleet through many parts at once.
// Bodies are cut and answers joined at the bytes of their elements, so that every number stays as its host has written it.
import type { JsonSpan } from "../../wire/json-bytes.ts";
import { eachElement, eachMember } from "../../wire/json-cursor.ts";
import { scanBody } from "../../wire/json-scan.ts";
import { readKey, readScalar } from "../../wire/json-text.ts";

/** Below two parts of so many inputs a batch stays whole. */
const INPUTS_PER_PART = 32;
/** A fleet that is faster takes more of the parts: they need not be as many as hosts. */
const PARTS_MAX = 16;
const OLLAMA_PATH = "/api/embed";
const SPLIT_PATHS: ReadonlySet<string> = new Set([OLLAMA_PATH, "/v1/embeddings"]);

/** Cuts a request into requests for consecutive parts of its inputs; undefined where it is no large batch. */
export function splitBatch(path: string, body: Uint8Array): Uint8Array[] | undefined {
  if (!SPLIT_PATHS.has(path)) return undefined;
  const scanned = scanBody(body);
  const input = scanned.ok ? scanned.body.members.get("input") : undefined;
  if (input?.type !== "array") return undefined;
  const inputs = elementsOf(body, input);
  // OpenAI's way to write one input: an array of token numbers.
  const isBatch = inputs.every(({ type }) => type === "string" || type === "array");
  const count = Math.min(PARTS_MAX, Math.floor(inputs.length / INPUTS_PER_PART));
  if (count < 2 || !isBatch) return undefined;
  return Array.from({ length: count }, (_, part) => {
    const first = inputs[Math.floor((part * inputs.length) / count)];
    const last = inputs[Math.floor(((part + 1) * inputs.length) / count) - 1];
    if (first === undefined || last === undefined) throw new RangeError("a part without inputs");
    return joinBytes([
      body.subarray(0, input.start + 1),
      body.subarray(first.start, last.end),
      body.subarray(input.end - 1),
    ]);
  });
}

/** Joins the answers to the parts, in their order; undefined where one of them is not what its path answers. */
export function joinBatch(path: string, answers: readonly Uint8Array[]): Uint8Array | undefined {
  const joined: Joined = { rows: [], model: undefined, tokens: 0, totalNs: 0, loadNs: 0 };
  for (const answer of answers) if (!addAnswer(joined, path, answer)) return undefined;
  return path === OLLAMA_PATH ? writeOllama(joined) : writeOpenAi(joined);
}

interface Joined {
  readonly rows: Uint8Array[];
  model: Uint8Array | undefined;
  tokens: number;
  totalNs: number;
  loadNs: number;
}

function addAnswer(joined: Joined, path: string, answer: Uint8Array): boolean {
  const scanned = scanBody(answer);
  if (!scanned.ok) return false;
  const { members } = scanned.body;
  const rows = readRows(path, answer, members.get(path === OLLAMA_PATH ? "embeddings" : "data"));
  if (rows === undefined) return false;
  joined.rows.push(...rows);
  const model = members.get("model");
  if (model !== undefined) joined.model ??= answer.subarray(model.start, model.end);
  const usage = members.get("usage");
  const counted = usage === undefined ? members.get("prompt_eval_count") : memberOf(answer, usage, "prompt_tokens");
  joined.tokens += numberAt(answer, counted);
  joined.totalNs = Math.max(joined.totalNs, numberAt(answer, members.get("total_duration")));
  joined.loadNs = Math.max(joined.loadNs, numberAt(answer, members.get("load_duration")));
  return true;
}

function readRows(path: string, answer: Uint8Array, list: JsonSpan | undefined): Uint8Array[] | undefined {
  if (list?.type !== "array") return undefined;
  const rows: Uint8Array[] = [];
  for (const element of elementsOf(answer, list)) {
    const row = path === OLLAMA_PATH ? element : memberOf(answer, element, "embedding");
    if (row === undefined) return undefined;
    rows.push(answer.subarray(row.start, row.end));
  }
  return rows;
}

function writeOllama({ model, rows, tokens, totalNs, loadNs }: Joined): Uint8Array {
  const pieces = [text('{"model":'), model ?? text('""'), text(',"embeddings":[')];
  for (const [index, row] of rows.entries()) pieces.push(index === 0 ? NOTHING : COMMA_BYTES, row);
  pieces.push(text(`],"total_duration":${totalNs},"load_duration":${loadNs},"prompt_eval_count":${tokens}}`));
  return joinBytes(pieces);
}

function writeOpenAi({ model, rows, tokens }: Joined): Uint8Array {
  const pieces = [text('{"object":"list","data":[')];
  for (const [index, row] of rows.entries()) {
    pieces.push(text(`${index === 0 ? "" : ","}{"object":"embedding","embedding":`), row, text(`,"index":${index}}`));
  }
  pieces.push(text('],"model":'), model ?? text('""'));
  pieces.push(text(`,"usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}\n`));
  return joinBytes(pieces);
}

const NOTHING = new Uint8Array(0);
const COMMA_BYTES = text(",");

function text(written: string): Uint8Array {
  return new TextEncoder().encode(written);
}

function elementsOf(bytes: Uint8Array, list: JsonSpan): JsonSpan[] {
  const elements: JsonSpan[] = [];
  eachElement(bytes, list, (element) => {
    elements.push(element);
  });
  return elements;
}

function memberOf(bytes: Uint8Array, object: JsonSpan, name: string): JsonSpan | undefined {
  let found: JsonSpan | undefined;
  if (object.type !== "object") return undefined;
  eachMember(bytes, object, (keyStart, keyEnd, value) => {
    if (readKey(bytes, keyStart, keyEnd) === name) found = value;
  });
  return found;
}

function numberAt(bytes: Uint8Array, span: JsonSpan | undefined): number {
  const value = span === undefined ? undefined : readScalar(bytes, span);
  return typeof value === "number" ? value : 0;
}

function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
