// Reads a request body, counting while it arrives: a declared length is a hint, not a promise.
import type { Result } from "../../wire/result.ts";

/** A client reads its refusal only once it has sent its body: so much of it is taken and thrown away, as a multiple of the limit. */
const DRAINED_MAX_FACTOR = 4;

/** The whole body, or `too_large` as soon as the limit is passed. */
export async function readBody(request: Request, maxBytes: number): Promise<Result<Uint8Array, "too_large">> {
  const declared = Number(request.headers.get("content-length") ?? "NaN");
  if (declared > maxBytes) {
    await drain(request.body?.getReader(), DRAINED_MAX_FACTOR * maxBytes);
    return { ok: false, error: "too_large" };
  }
  if (request.body === null) return { ok: true, value: new Uint8Array(0) };
  if (declared >= 0) {
    // The runtime enforces a declared length, so that one native read is safe and copies nothing in JavaScript.
    return { ok: true, value: new Uint8Array(await request.arrayBuffer()) };
  }
  const chunks: Uint8Array[] = [];
  let total = 0;
  const reader = request.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    total += value.byteLength;
    if (total > maxBytes) {
      await drain(reader, DRAINED_MAX_FACTOR * maxBytes);
      return { ok: false, error: "too_large" };
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return { ok: true, value: whole };
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array> | undefined, maxBytes: number): Promise<void> {
  if (reader === undefined) return;
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    total += value.byteLength;
    if (total > maxBytes) return await reader.cancel("body too large");
  }
}
