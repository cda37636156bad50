// The body of a request that runs a model: within MAX_BODY, and decompressed where its route takes that.
import type { Context } from "hono";
import { formatSize } from "../../wire/size.ts";
import { decodeBody, isEncoded } from "./encoded-body.ts";
import type { Endpoint } from "../endpoints.ts";
import type { HonoEnv } from "../env.ts";
import { readBody } from "./read-body.ts";
import { refuse } from "../refuse.ts";

/** The bytes to judge and to send on, or the refusal. */
export async function readPlainBody(c: Context<HonoEnv>, { path, style }: Endpoint): Promise<Uint8Array | Response> {
  const maxBytes = c.var.prepared.settings.MAX_BODY;
  const tooLarge = () =>
    refuse(style, { code: "too_large", message: `request body larger than ${formatSize(maxBytes)}` });
  const body = await readBody(c.req.raw, maxBytes);
  if (!body.ok) return tooLarge();
  if (!isEncoded(path, c.req.header("content-encoding"))) return body.value;
  const decoded = decodeBody(body.value);
  // Ollama decodes before it knows which API is called, hence its own shape.
  if (!decoded.ok) return refuse("ollama", { code: "bad_request", message: decoded.error });
  return decoded.value.byteLength > maxBytes ? tooLarge() : decoded.value;
}
