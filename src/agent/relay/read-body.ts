// Reads a request's body whole, within a size and a time, and hashes it on the way: an image of 25 MB is held once.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Twice the edge's default MAX_BODY. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
// The edge has the body in memory: a transfer that takes longer holds a slot for nothing.
const BODY_TIME_LIMIT_MS = 60_000;

export interface ReadBody {
  readonly bytes: Buffer;
  /** In unpadded base64url, as tokens of the leg have it. */
  readonly sha256: string;
}

/** The body, or undefined when it is too long, too slow or breaks off. */
export async function readBody(request: IncomingMessage): Promise<ReadBody | undefined> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > MAX_BODY_BYTES) return undefined;
  const hash = createHash("sha256");
  // Node keeps a body to its declared length, so that what is declared is room enough.
  const whole = Buffer.allocUnsafe(Number.isSafeInteger(declared) ? declared : 0);
  let filled = 0;
  const beyond: Buffer[] = [];
  let sizeBytes = 0;
  const timer = setTimeout(() => request.destroy(), BODY_TIME_LIMIT_MS);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      if (sizeBytes + chunk.length <= whole.length) filled += chunk.copy(whole, filled);
      else beyond.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_BODY_BYTES) return undefined;
    }
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
  const inside = whole.subarray(0, filled);
  const bytes = beyond.length === 0 ? inside : Buffer.concat([inside, ...beyond], sizeBytes);
  return { bytes, sha256: hash.digest("base64url") };
}
