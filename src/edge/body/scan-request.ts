// The first look at a JSON body: sound and unambiguous, or refused in Ollama's words.
import { goTypeWord, scanBody } from "../../wire/json-scan.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import type { Result } from "../../wire/result.ts";
import type { ApiStyle, RefusalText } from "../refuse.ts";

/** Scans a body; `goStruct` names Ollama's type for it. */
export function scanRequest(style: ApiStyle, goStruct: string, bytes: Uint8Array): Result<ScannedBody, RefusalText> {
  const missing = style === "ollama" ? "missing request body" : "EOF";
  if (bytes.byteLength === 0) return bad(missing);
  const scanned = scanBody(bytes);
  if (scanned.ok) return { ok: true, value: scanned.body };
  const { error } = scanned;
  if (error.code === "not_object")
    return bad(`json: cannot unmarshal ${goTypeWord(error.jsonType)} into Go value of type ${goStruct}`);
  if (error.code !== "syntax") return { ok: false, error: { code: "ambiguous_body", message: error.message } };
  return bad(error.message === "EOF" ? missing : error.message);
}

function bad(message: string): Result<never, RefusalText> {
  return { ok: false, error: { code: "bad_request", message } };
}
