// What the agent must know of a body beyond what the leg's token says: looked for where it matters, not parsed for every request.
import { isZeroDuration } from "../../wire/keep-alive.ts";
import { parseJson } from "../call.ts";

/** An order to unload is short; a longer body is a prompt. */
const UNLOAD_MAX_BYTES = 64 * 1024;
// Inside a JSON string the quotes are escaped, so that a prompt that speaks of a format is not taken for one.
const STRUCTURED_KEYS = ['"tools"', '"format"', '"response_format"'];

/** True where the request itself says how long its model stays; it may be gone right after. */
export function setsKeepAlive(body: Buffer): boolean {
  return body.includes('"keep_alive"');
}

/** True for `keep_alive: 0` without a prompt: a command to unload, before which nothing must be loaded. */
export function isUnload(body: Buffer): boolean {
  if (body.length > UNLOAD_MAX_BYTES || !setsKeepAlive(body)) return false;
  const request = parseJson(body.toString());
  if (typeof request !== "object" || request === null || !("keep_alive" in request)) return false;
  if (!isZeroDuration(request.keep_alive)) return false;
  const said = ["prompt", "messages", "input"].some((key) => !isEmpty((request as Record<string, unknown>)[key]));
  return !said;
}

/** True where Ollama's parsers may hold back long parts of the answer; in doubt true. */
export function isStructured(body: Buffer): boolean {
  return STRUCTURED_KEYS.some((key) => body.includes(key));
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);
}
