// Gives a host's answer to the client: whole where it is one document, through a native pipe where it is a stream.
import type { Outcome } from "../../wire/lease.ts";
import type { OpenLeg } from "../leg/leg-head.ts";

/** Largest unary answer held back for a retry, 64 MB: embeddings of a large batch. */
const UNARY_MAX_BYTES = 64_000_000;
const CONTENT_TYPES = new Set([
  "application/json; charset=utf-8",
  "application/x-ndjson",
  "text/event-stream",
  "text/plain; charset=utf-8",
  "application/json",
  "text/plain",
]);

/** The content type a client may see; anything else a host says becomes plain bytes. */
export function contentTypeOf(leg: OpenLeg): string {
  const type = leg.head.headers["content-type"] ?? "";
  return CONTENT_TYPES.has(type) ? type : "application/octet-stream";
}

export function isStream(contentType: string): boolean {
  return contentType === "application/x-ndjson" || contentType === "text/event-stream";
}

/** Reads a whole answer; undefined when the host died before its end, so that nothing half ever reaches a client. */
export async function readWhole(leg: OpenLeg): Promise<Uint8Array | undefined> {
  const declared = Number(leg.head.headers["content-length"] ?? "NaN");
  const parts: Uint8Array[] = [leg.leftover];
  let total = leg.leftover.byteLength;
  const reader = leg.rest.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      total += value.byteLength;
      if (total > UNARY_MAX_BYTES) {
        await reader.cancel("answer too large");
        return undefined;
      }
      parts.push(value);
    }
  } catch {
    return undefined;
  }
  if (declared >= 0 && declared !== total) return undefined;
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** A stream that broke off: what its client is told, and how the attempt counts. */
export interface Lost {
  readonly record: Uint8Array;
  readonly outcome: Outcome;
}

/** The client's side of a stream, and a promise of how it ended; `lost` is asked when it breaks. The bytes never enter JavaScript. */
export function pipeStream(
  leg: OpenLeg,
  lost: () => Lost,
): { body: ReadableStream<Uint8Array>; ended: Promise<Outcome> } {
  const { readable, writable } = new IdentityTransformStream();
  return { body: readable, ended: pump(leg, writable, lost) };
}

async function pump(leg: OpenLeg, writable: WritableStream<Uint8Array>, lost: () => Lost): Promise<Outcome> {
  try {
    if (leg.leftover.byteLength > 0) await writeOnce(writable, leg.leftover);
  } catch {
    await leg.rest.cancel("client left").catch(() => undefined);
    return { type: "client-left" };
  }
  try {
    await leg.rest.pipeTo(writable, { preventAbort: true });
    return { type: "served" };
  } catch {
    return await endBroken(writable, lost());
  }
}

/** A broken pipe is either a lost host (the client can still be told) or a client that left (it cannot). */
async function endBroken(writable: WritableStream<Uint8Array>, { record, outcome }: Lost): Promise<Outcome> {
  try {
    const writer = writable.getWriter();
    await writer.write(record);
    await writer.close();
    return outcome;
  } catch {
    return { type: "client-left" };
  }
}

async function writeOnce(writable: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = writable.getWriter();
  try {
    await writer.write(bytes);
  } finally {
    writer.releaseLock();
  }
}
