// What a client is told in its stream when the host dies: a bare end would be read as success. Agents forward whole records
// only, so that this one never lands inside another.
import { errorBody } from "./refuse.ts";
import type { ApiStyle } from "./refuse.ts";

const LOST = "the host stopped answering in the middle of the stream; the answer is incomplete";

/** The protocol's own error record, for the endpoint that was called. */
export function lostRecord(style: ApiStyle, path: string): Uint8Array {
  return new TextEncoder().encode(recordText(style, path));
}

function recordText(style: ApiStyle, path: string): string {
  if (path === "/v1/responses") {
    const error = { code: "server_error", message: LOST };
    return event("response.failed", { type: "response.failed", response: { status: "failed", error } });
  }
  const body = errorBody(style, 502, { code: "attempts_failed", message: LOST });
  switch (style) {
    case "anthropic":
      return event("error", body);
    case "openai":
      return `data: ${JSON.stringify(body)}\n\n`;
    default:
      return `${JSON.stringify(body)}\n`;
  }
}

function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
