// A request without a prompt is a command in Ollama: it loads a model, and with `keep_alive: 0` unloads it.
import type { JsonSpan } from "../../wire/json-bytes.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import { readScalar } from "../../wire/json-text.ts";
import { isZeroDuration } from "../../wire/keep-alive.ts";
import type { Endpoint } from "../endpoints.ts";

export type LoadOrder = "load" | "unload";

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

function isEmpty({ bytes, messageCount }: ScannedBody, span: JsonSpan | undefined): boolean {
  if (span === undefined || span.type === "null") return true;
  if (span.type === "array") return messageCount === 0;
  return readScalar(bytes, span) === "";
}
