// Bodies compressed with zstd: the /v1 routes take them, up to Ollama's limit.
import { zstdDecompressSync } from "node:zlib";
import type { Exchange } from "./exchange.ts";
import { Refusal } from "./refusal.ts";

// middleware/openai.go: maxDecompressedBodySize.
const MOST_BYTES = 20 << 20;
const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** The body as it was before compression; throws Ollama's refusals. Other encodings are left as they are. */
export function plainBody(exchange: Exchange): Buffer {
  const { body, request } = exchange;
  if (request.headers["content-encoding"] !== "zstd" || body.length === 0) return body;
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw new Refusal(400, "invalid input: magic number mismatch");
  try {
    return zstdDecompressSync(body, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    const tooLarge = error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw new Refusal(400, tooLarge ? "http: request body too large" : "unexpected EOF");
  }
}
