// Begins an answer that takes too long to begin: clients that wait for a header give up (Node's fetch after 300 s). From then on
// the true status is lost, so that a failure is told as the protocol's own error record, and every client can still see it.
import type { Context } from "hono";
import type { HonoEnv } from "../env.ts";
import { errorRecord } from "./lost-record.ts";
import type { ApiStyle } from "../refuse.ts";
import { within } from "../within.ts";

export interface SlowRequest {
  readonly style: ApiStyle;
  readonly path: string;
  readonly streaming: boolean;
  /** What the request waits for at this moment, as its host said last. */
  readonly status: () => string | undefined;
  /** The client has left the answer that was begun. */
  readonly onGone: () => void;
}

/** The answer, if it begins before EARLY_COMMIT; else one that has begun with 200 and says the rest when it is there. */
export async function beginInTime(
  c: Context<HonoEnv>,
  request: SlowRequest,
  answer: Promise<Response>,
): Promise<Response> {
  const { EARLY_COMMIT, KEEP_ALIVE } = c.var.prepared.settings;
  const begun = await within(answer, EARLY_COMMIT);
  if (begun !== undefined) return begun;
  const { readable, writable } = new IdentityTransformStream();
  c.executionCtx.waitUntil(finish(writable, request, answer, KEEP_ALIVE));
  const status = request.status();
  return new Response(readable, {
    status: 200,
    headers: {
      "content-type": mediaTypeOf(request),
      "cache-control": "no-store, no-transform",
      "hive-request-id": c.var.requestId,
      "hive-status": status === undefined ? "waiting" : status,
    },
  });
}

function mediaTypeOf({ style, streaming }: SlowRequest): string {
  if (!streaming) return "application/json; charset=utf-8";
  return style === "ollama" ? "application/x-ndjson" : "text/event-stream";
}

/** Space may stand before any JSON value, a comment before any event. */
function fillerOf({ style, streaming, status }: SlowRequest): string {
  if (!streaming || style === "ollama") return " ";
  const waitsFor = status();
  return waitsFor === undefined ? ":\n\n" : `: ${waitsFor}\n\n`;
}

async function finish(
  writable: WritableStream<Uint8Array>,
  request: SlowRequest,
  answer: Promise<Response>,
  keepAliveMs: number,
): Promise<void> {
  const encoder = new TextEncoder();
  const writer = writable.getWriter();
  try {
    let response: Response | undefined;
    while (response === undefined) {
      await writer.write(encoder.encode(fillerOf(request)));
      response = await within(answer, keepAliveMs);
    }
    if (response.ok && response.body !== null) await copy(response.body, writer);
    else await writer.write(encoder.encode(failureOf(request, await response.text())));
    await writer.close();
  } catch {
    // The client has left: what runs for it ends, and what it would have been told goes nowhere.
    request.onGone();
    await writer.abort().catch(() => undefined);
    await answer.then(async (response) => await response.body?.cancel()).catch(() => undefined);
  }
}

/** Chunk by chunk: a pipe from one identity stream into another does not move in workerd, and this path is rare. */
async function copy(body: ReadableStream<Uint8Array>, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) await writer.write(part.value);
  } catch (cause) {
    await reader.cancel("the client left");
    throw cause;
  }
}

/** `body` is the error in the shape of the API, as it would have been the answer. */
function failureOf({ style, path, streaming }: SlowRequest, body: string): string {
  return streaming ? errorRecord(style, path, body) : body;
}
