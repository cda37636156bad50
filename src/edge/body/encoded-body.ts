// Bodies compressed with zstd, which Ollama takes on its /v1 routes. They are judged, and sent on, as what they decode to: the
// host must act on what was checked. Any other encoding is left alone, and refused as the bad JSON that it is, as Ollama does.
import { zstdDecompressSync } from "node:zlib";
import type { Result } from "../../wire/result.ts";

/** Ollama's limit (middleware/openai.go, maxDecompressedBodySize). */
const DECODED_MAX_BYTES = 20 * 2 ** 20;
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/** Whether a body came compressed in the one way that its route takes. */
export function isEncoded(path: string, contentEncoding: string | undefined): boolean {
  return contentEncoding === "zstd" && path.startsWith("/v1/") && path !== "/v1/audio/transcriptions";
}

/** The body as it was before compression, or Ollama's words for one that cannot be read. */
export function decodeBody(bytes: Uint8Array): Result<Uint8Array, string> {
  if (bytes.byteLength === 0) return { ok: true, value: bytes };
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) return { ok: false, error: "invalid input: magic number mismatch" };
  try {
    return { ok: true, value: zstdDecompressSync(bytes, { maxOutputLength: DECODED_MAX_BYTES }) };
  } catch (cause) {
    // A RangeError says that the limit was passed; all else is a body that breaks off or makes no sense.
    return { ok: false, error: cause instanceof RangeError ? "http: request body too large" : "unexpected EOF" };
  }
}
