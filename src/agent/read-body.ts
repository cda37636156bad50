// Reads a request's body whole, within a size and a time.
import type { IncomingMessage } from "node:http";

/** Twice the edge's default MAX_BODY. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
// The edge has the body in memory: a transfer that takes longer holds a slot for nothing.
const BODY_TIME_LIMIT_MS = 60_000;

/** The body, or undefined when it is too long, too slow or breaks off. */
export async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const timer = setTimeout(() => request.destroy(), BODY_TIME_LIMIT_MS);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_BODY_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks, sizeBytes);
}
