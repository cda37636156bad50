// What a client is told in its stream when the host dies: a bare end would be read as success. Agents forward whole records
// only, so that this one never lands inside another.
import { errorBody } from "../refuse.ts";
import type { ApiStyle } from "../refuse.ts";

const LOST = "the host stopped answering in the middle of the stream; the answer is incomplete";
/** The one path whose error record depends on the stream's beginning. */
export const RESPONSES_PATH = "/v1/responses";
/** How many events went by is not known here; numbers only have to rise. */
const LAST_SEQUENCE_NUMBER = 2 ** 31 - 1;

/** The stream that is to be told, as far as its error record depends on it. */
export interface BrokenStream {
  readonly style: ApiStyle;
  readonly path: string;
  /** What the client has got of it for sure. */
  readonly begun: Uint8Array;
}

/** The protocol's own error record, for the endpoint that was called. */
export function lostRecord({ style, path, begun }: BrokenStream, message: string = LOST): Uint8Array {
  const body = JSON.stringify(errorBody(style, 502, { code: "attempts_failed", message }));
  const text = path === RESPONSES_PATH ? responseFailed(begun, message) : errorRecord(style, path, body);
  return new TextEncoder().encode(text);
}

/** An error, in the JSON of its API, as a record of a stream that has no other record yet. */
export function errorRecord(style: ApiStyle, path: string, body: string): string {
  if (style === "anthropic" || path === RESPONSES_PATH) return `event: error\ndata: ${body.trim()}\n\n`;
  return style === "openai" ? `data: ${body.trim()}\n\n` : `${body.trim()}\n`;
}

/** Clients take a failure for theirs only when it names the response that the stream's first event has announced. */
function responseFailed(begun: Uint8Array, message: string): string {
  const error = { code: "server_error", message };
  const response = { ...announced(begun), status: "failed", error };
  return event("response.failed", { type: "response.failed", sequence_number: LAST_SEQUENCE_NUMBER, response });
}

function announced(begun: Uint8Array): object {
  const data = /^data: (.*)$/m.exec(new TextDecoder().decode(begun))?.[1];
  try {
    const first: unknown = JSON.parse(data ?? "");
    const response = typeof first === "object" && first !== null && "response" in first ? first.response : undefined;
    return typeof response === "object" && response !== null ? response : {};
  } catch {
    return {};
  }
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
