// Parse once: what the edge must know of an inference body, read from byte ranges, without building the prompt's strings.
import type { JsonSpan } from "../../wire/json-bytes.ts";
import { eachMember } from "../../wire/json-cursor.ts";
import { readJson, readKey, readScalar, readString } from "../../wire/json-text.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import { parseModelName } from "../../wire/model-name.ts";
import type { ModelName, ModelNameError } from "../../wire/model-name.ts";
import { RUNNER_OPTIONS, writeRunnerOptions } from "../../wire/runner-options.ts";
import type { Result } from "../../wire/result.ts";
import type { ModelAliases } from "../../wire/model-aliases.ts";
import { applyEdits } from "./edit-body.ts";
import { egressOf } from "./egress.ts";
import type { Egress } from "./egress.ts";
import type { Endpoint } from "../endpoints.ts";
import { isZeroDuration } from "../../wire/keep-alive.ts";
import { readLoadOrder } from "./load-order.ts";
import type { LoadOrder } from "./load-order.ts";
import { readPrompt } from "./prompt.ts";
import type { Prompt } from "./prompt.ts";
import type { RefusalText } from "../refuse.ts";
import { scanRequest } from "./scan-request.ts";

export interface Inspected {
  /** The body as a host gets it, where the model has another name there. */
  readonly renamed?: Uint8Array | undefined;
  /** Canonical key of the other name that was asked for. */
  readonly alias?: string | undefined;
  /** The model as the caller spelled it: what Ollama echoes. */
  readonly spelled: string;
  readonly model: ModelName;
  readonly streaming: boolean;
  readonly needs: readonly string[];
  readonly runner: string;
  readonly numCtx?: number | undefined;
  /** Where the body says so. */
  readonly numCtxSpan?: JsonSpan | undefined;
  readonly numPredict?: number | undefined;
  readonly prompt: Prompt;
  /** Whether the model is to be unloaded when it is done. */
  readonly unloads: boolean;
  readonly egress?: Egress | undefined;
  /** Set where the request runs nothing but loads or unloads its model. */
  readonly order?: LoadOrder | undefined;
}

/** Why a body cannot be served. */
export interface Unserved extends RefusalText {
  /** True for a sound body that names no model: it can run none, so that a host may word what else is wrong with it. */
  readonly nameless?: boolean;
}

/** Reads a body, or says what Ollama would say to it. */
export function inspect(
  endpoint: Endpoint,
  bytes: Uint8Array,
  aliases: ModelAliases = NO_ALIASES,
): Result<Inspected, Unserved> {
  const scanned = scanRequest(endpoint.style, endpoint.goStruct, bytes);
  if (!scanned.ok) return scanned;
  const body = scanned.value;
  const spelled = readModelText(body, endpoint);
  const name = parseModelName(spelled ?? "");
  if (spelled === undefined || !name.ok) return unnamed(endpoint, name);
  const alias = aliases.get(name.value.canonical);
  if (alias === undefined) return { ok: true, value: describe(endpoint, body, spelled, name.value) };
  const described = describe(endpoint, body, spelled, alias.target);
  return { ok: true, value: { ...described, renamed: rename(body, alias.spelled), alias: name.value.canonical } };
}

const NO_ALIASES: ModelAliases = new Map();

/** Ollama's handlers judge names, behind the layers that translate. */
function unnamed({ style, withoutModel }: Endpoint, name: Result<ModelName, ModelNameError>): Result<never, Unserved> {
  if (name.ok || name.error.code === "required")
    return { ok: false, error: { code: "bad_request", ...withoutModel, nameless: true } };
  return { ok: false, error: { code: "bad_request", message: name.error.message, translated: style !== "ollama" } };
}

/** Both names where both are there: Ollama reads `name` where `model` is empty. */
function rename(body: ScannedBody, spelled: string): Uint8Array {
  const spans = ["model", "name"].flatMap((key) => body.members.get(key) ?? []);
  const text = JSON.stringify(spelled);
  return applyEdits(
    body.bytes,
    spans.map(({ start, end }) => ({ start, end, text })),
  );
}

function describe(endpoint: Endpoint, body: ScannedBody, spelled: string, model: ModelName): Inspected {
  const stream = readScalar(body.bytes, body.members.get("stream"));
  const numCtx = readNumber(body, "num_ctx");
  const prompt = readPrompt(body);
  return {
    spelled,
    model,
    streaming:
      typeof stream === "boolean" && endpoint.streamDefault !== undefined ? stream : endpoint.streamDefault === true,
    needs: readNeeds(endpoint, body, prompt),
    runner: readRunner(endpoint, body),
    numCtx,
    numCtxSpan: numCtx === undefined ? undefined : body.options.get("num_ctx"),
    numPredict: readNumber(body, "num_predict") ?? readLimit(body),
    prompt,
    unloads: endpoint.kind !== "control" && isZeroDuration(readScalar(body.bytes, body.members.get("keep_alive"))),
    egress: egressOf(endpoint.path, body),
    order: readLoadOrder(endpoint, body),
  };
}

function readModelText(body: ScannedBody, endpoint: Endpoint): string | undefined {
  const text = readString(body.bytes, body.members.get("model"));
  if ((text === undefined || text === "") && endpoint.kind === "control")
    return readString(body.bytes, body.members.get("name"));
  return text;
}

function readNumber(body: ScannedBody, option: string): number | undefined {
  const value = readScalar(body.bytes, body.options.get(option));
  return typeof value === "number" ? value : undefined;
}

/** The names of the other APIs for the longest answer. */
function readLimit(body: ScannedBody): number | undefined {
  for (const name of ["max_tokens", "max_completion_tokens", "max_output_tokens"]) {
    const value = readScalar(body.bytes, body.members.get(name));
    if (typeof value === "number") return value;
  }
  return undefined;
}

/** Capabilities the request cannot do without, by what it contains. */
function readNeeds(endpoint: Endpoint, body: ScannedBody, { mediaCount }: Prompt): string[] {
  const wanted: [capability: string, isNeeded: boolean][] = [
    ["embedding", endpoint.kind === "embed"],
    ["thinking", asksToThink(body)],
    ["insert", isFilled(body.members.get("suffix"), "string")],
    ["tools", isFilled(body.members.get("tools"), "array")],
    ["vision", mediaCount > 0],
  ];
  return wanted.flatMap(([capability, isNeeded]) => (isNeeded ? [capability] : []));
}

/** More than the two bytes of `[]` or `""`. */
function isFilled(span: JsonSpan | undefined, type: "array" | "string"): boolean {
  return span?.type === type && span.end - span.start > 2;
}

function asksToThink({ bytes, members }: ScannedBody): boolean {
  const asked = readScalar(bytes, members.get("think")) ?? readEffort(bytes, members.get("reasoning"));
  const said = asked ?? readScalar(bytes, members.get("reasoning_effort"));
  return said === true || (typeof said === "string" && said !== "" && said !== "none");
}

/** OpenAI's way: `"reasoning": {"effort": "high"}`. */
function readEffort(bytes: Uint8Array, reasoning: JsonSpan | undefined): unknown {
  let effort: unknown;
  if (reasoning?.type === "object")
    eachMember(bytes, reasoning, (start, end, value) => {
      if (readKey(bytes, start, end) === "effort") effort = readScalar(bytes, value);
    });
  return effort;
}

function readRunner({ style }: Endpoint, { bytes, members, options }: ScannedBody): string {
  const set = new Map<string, unknown>();
  for (const option of RUNNER_OPTIONS) {
    const span = options.get(option);
    if (span !== undefined) set.set(option, readJson(bytes, span));
  }
  // Beside the options, and on by itself.
  if (style === "ollama" && readScalar(bytes, members.get("shift")) === false) set.set("shift", false);
  return writeRunnerOptions(set);
}
