// A request without a prompt is a command in Ollama: it loads a model, and with `keep_alive: 0` unloads it.
import type { JsonSpan } from "../../wire/json-bytes.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import { readScalar } from "../../wire/json-text.ts";
import type { Endpoint } from "../endpoints.ts";

export type LoadOrder = "load" | "unload";

/** Go's durations of nothing: `0`, `0s`, `0h0m`, `-0.0s`. */
const NO_TIME = /^[+-]?(?:0+(?:\.0*)?(?:ns|us|µs|ms|s|m|h)?){1,4}$/;
const DURATION_MAX_LENGTH = 16;
const SAID_IN: ReadonlyMap<string, string> = new Map([
  ["/api/generate", "prompt"],
  ["/api/chat", "messages"],
]);

/** The command in a body; undefined for a request that runs the model. */
export function readLoadOrder({ path }: Endpoint, body: ScannedBody): LoadOrder | undefined {
  const key = SAID_IN.get(path);
  if (key === undefined || !isEmpty(body, body.members.get(key))) return undefined;
  const keepAlive = readScalar(body.bytes, body.members.get("keep_alive"));
  return isZeroDuration(keepAlive) ? "unload" : "load";
}

/** As Go reads durations: a number of seconds, or text such as `0s` and `0h0m`. A long text of zeros must not cost time. */
export function isZeroDuration(value: unknown): boolean {
  return value === 0 || (typeof value === "string" && value.length <= DURATION_MAX_LENGTH && NO_TIME.test(value));
}

function isEmpty({ bytes, messageCount }: ScannedBody, span: JsonSpan | undefined): boolean {
  if (span === undefined || span.type === "null") return true;
  if (span.type === "array") return messageCount === 0;
  return readScalar(bytes, span) === "";
}
