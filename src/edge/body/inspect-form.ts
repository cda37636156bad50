// What the edge must know of a multipart form that runs a model: which one.
import { parseModelName } from "../../wire/model-name.ts";
import type { Result } from "../../wire/result.ts";
import type { ModelAliases } from "../../wire/model-aliases.ts";
import { applyEdits } from "./edit-body.ts";
import type { Endpoint } from "../endpoints.ts";
import { readForm } from "./form.ts";
import type { Inspected, Unserved } from "./inspect.ts";

/** What one file becomes in a prompt is not known before it is decoded: as much as a page of text. */
const FILE_TEXT_BYTES = 2_400;

/** Reads a form, or says what Ollama would say to it. */
export function inspectForm(
  endpoint: Endpoint,
  contentType: string,
  bytes: Uint8Array,
  aliases: ModelAliases,
): Result<Inspected, Unserved> {
  const form = readForm(contentType, bytes);
  if (!form.ok) {
    const code = form.error.code === "ambiguous" ? "ambiguous_body" : "bad_request";
    return { ok: false, error: { code, message: form.error.message } };
  }
  const { model: spelled, modelSpan, fileBytes } = form.value;
  if (spelled === "") return bad(endpoint.withoutModel.message);
  if (fileBytes === undefined) return bad("file is required: http: no such file");
  if (fileBytes === 0) return bad("audio file is empty");
  const name = parseModelName(spelled);
  if (!name.ok) return bad(name.error.message, name.error.code !== "required");
  const alias = aliases.get(name.value.canonical);
  const model = alias?.target ?? name.value;
  const prompt = { sections: [], textBytes: FILE_TEXT_BYTES, mediaCount: 1 };
  const described = { spelled, model, streaming: false, needs: [], unloads: false, runner: "", prompt };
  if (alias === undefined || modelSpan === undefined) return { ok: true, value: described };
  const renamed = applyEdits(bytes, [{ ...modelSpan, text: alias.spelled }]);
  return { ok: true, value: { ...described, renamed, alias: name.value.canonical } };
}

/** `translated`: Ollama's handlers judge names, behind the layer that translates. */
function bad(message: string, translated = false): Result<never, Unserved> {
  return { ok: false, error: { code: "bad_request", message, translated } };
}
