// One request and its answer, as the handlers see it.
import type { IncomingMessage } from "node:http";
import type { Fault } from "./faults.ts";
import type { ReceivedRequest } from "./journal.ts";
import type { Reply } from "./reply.ts";
import { goJson } from "./go/go-json.ts";
import { JSON_TYPE } from "./reply.ts";

export type Exchange = {
  readonly request: IncomingMessage;
  readonly reply: Reply;
  readonly path: string;
  /** What stood in the path where the route has a name. */
  readonly param: string;
  /** Whole, except where the route takes the body as a stream. */
  readonly body: Buffer;
  readonly received: ReceivedRequest;
  /** Fires when the client leaves. */
  readonly signal: AbortSignal;
  /** The fault meant for this request and model, if any; asks only once. `speaks` is false where nothing is generated. */
  readonly takeFault: (model: string, speaks?: boolean) => Fault | undefined;
};

/** c.JSON: a value, whole. */
export function sendJson(exchange: Exchange, status: number, value: unknown): void {
  exchange.reply.whole(status, JSON_TYPE, goJson(value));
}

/** An error as Ollama's own API words it. */
export function sendError(exchange: Exchange, status: number, message: string): void {
  sendJson(exchange, status, { error: message });
}

/** The error for a body that could not be decoded. */
export function sendBadBody(exchange: Exchange, error: string): void {
  sendError(exchange, 400, error === "EOF" ? "missing request body" : error);
}

/** Headers that some routes set as soon as a stream is wanted; an error carries them too. */
export function announceStream(exchange: Exchange): void {
  exchange.reply.response.setHeader("Cache-Control", "no-cache");
  // Go's server has the last word where the client wants the connection closed.
  if (exchange.reply.response.shouldKeepAlive) exchange.reply.response.setHeader("Connection", "keep-alive");
}
