// Reads a request body once: valid as Ollama's decoder would have it, unambiguous, within limits, and where its members lie.
// No value is built, so that a body with 25 MB of images costs no memory beyond its own bytes.
import type { JsonSpan, JsonType } from "./json-bytes.ts";
import { skipSpace } from "./json-bytes.ts";
import { eachMember } from "./json-cursor.ts";
import type { OuterMember } from "./json-grammar.ts";
import { JsonGrammar, goSyntaxMessage } from "./json-grammar.ts";
import { BODY_KEYS, KeyWatch, OPTION_KEYS } from "./json-keys.ts";
import { readKey } from "./json-text.ts";

export type ScanLimits = {
  readonly maxDepth: number;
  /** Keys at every depth together. */
  readonly maxKeys: number;
  readonly maxMessages: number;
  /** Array elements at every depth together. */
  readonly maxElements: number;
};

/** Far above what clients send, low enough that a hostile body stays cheap to walk. */
export const SCAN_LIMITS: ScanLimits = { maxDepth: 64, maxKeys: 10_000, maxMessages: 2_000, maxElements: 1_000_000 };

/** A body that is one unambiguous JSON object, or `null`; spans are indexes into `bytes`. */
export type ScannedBody = {
  readonly kind: "object";
  readonly bytes: Uint8Array;
  readonly members: ReadonlyMap<string, JsonSpan>;
  /** Members of the top-level `options`; empty where that is absent or no object. */
  readonly options: ReadonlyMap<string, JsonSpan>;
  readonly messageCount: number;
};

export type ScanError =
  /** `message` is Go's own text; `EOF` for a body of nothing but white space, which each endpoint words in its own way. */
  | { readonly code: "syntax"; readonly message: string }
  | { readonly code: "ambiguous" | "trailing" | "limit"; readonly message: string }
  /** Ollama says `json: cannot unmarshal string into Go value of type …`. */
  | { readonly code: "not_object"; readonly message: string; readonly jsonType: NoObject };

type NoObject = Exclude<JsonType, "object" | "null">;

export type ScanResult =
  | { readonly ok: true; readonly body: ScannedBody }
  | { readonly ok: false; readonly error: ScanError };

const BODY_KEY_SET: ReadonlySet<string> = new Set(BODY_KEYS);
const OPTION_KEY_SET: ReadonlySet<string> = new Set(OPTION_KEYS);

/** Scans a request body; every expected failure is in the result. */
export function scanBody(bytes: Uint8Array, limits: ScanLimits = SCAN_LIMITS): ScanResult {
  const grammar = new JsonGrammar(bytes, limits);
  const outer = grammar.readBody();
  if (outer === undefined) return { ok: false, error: grammarError(bytes, grammar) };
  const { type } = outer;
  // Go takes `null` for an object without members.
  if (type !== "object" && type !== "null")
    return { ok: false, error: { code: "not_object", message: "no JSON object", jsonType: type } };

  const behind = skipSpace(bytes, outer.end);
  if (behind < bytes.length) return refuse("trailing", goSyntaxMessage(bytes, behind, "after top-level value"));
  return collectBody(bytes, grammar.outerMembers, limits);
}

function collectBody(bytes: Uint8Array, outer: readonly OuterMember[], limits: ScanLimits): ScanResult {
  const members = new Map<string, JsonSpan>();
  const watch = new KeyWatch(BODY_KEY_SET);
  let messageCount = 0;
  for (const { keyStart, keyEnd, value, elementCount } of outer) {
    const key = readKey(bytes, keyStart, keyEnd);
    if (key === undefined) return refuse("ambiguous", "a key is not valid Unicode");
    const objection = watch.objectionTo(key);
    if (objection !== undefined) return refuse("ambiguous", objection);
    if (key === "messages") messageCount = elementCount;
    members.set(key, value);
  }
  if (messageCount > limits.maxMessages) return refuse("limit", `there are more than ${limits.maxMessages} messages`);

  const options = collectOptions(bytes, members.get("options"));
  if (typeof options === "string") return refuse("ambiguous", options);
  return { ok: true, body: { kind: "object", bytes, members, options, messageCount } };
}

/** The members of `options`, or the reason why they are ambiguous. */
function collectOptions(bytes: Uint8Array, span: JsonSpan | undefined): ReadonlyMap<string, JsonSpan> | string {
  const options = new Map<string, JsonSpan>();
  if (span?.type !== "object") return options;
  const watch = new KeyWatch(OPTION_KEY_SET);
  let objection: string | undefined;
  eachMember(bytes, span, (keyStart, keyEnd, value) => {
    const key = readKey(bytes, keyStart, keyEnd);
    objection ??= key === undefined ? "a key of options is not valid Unicode" : watch.objectionTo(key);
    if (key !== undefined) options.set(key, value);
  });
  return objection ?? options;
}

function grammarError(bytes: Uint8Array, grammar: JsonGrammar): ScanError {
  const { fault } = grammar;
  if (fault?.kind === "limit") return { code: "limit", message: fault.message };
  return { code: "syntax", message: goSyntaxMessage(bytes, fault?.at ?? bytes.length, fault?.context ?? "") };
}

/** The word that Go uses for a JSON type in `json: cannot unmarshal WORD into Go value of type …`. */
export function goTypeWord(type: JsonType): string {
  return type === "boolean" ? "bool" : type;
}

function refuse(code: "ambiguous" | "trailing" | "limit", message: string): { ok: false; error: ScanError } {
  return { ok: false, error: { code, message } };
}
