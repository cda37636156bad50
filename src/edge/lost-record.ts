// What a client is told in its stream when the host dies: a bare end would be read as success. Agents forward whole records
// only, so that this one never lands inside another.
import { errorBody } from "./refuse.ts";
import type { ApiStyle } from "./refuse.ts";

const LOST = "the host stopped answering in the middle of the stream; the answer is incomplete";
/** The one path whose error record depends on the stream's beginning. */
export const RESPONSES_PATH = "/v1/responses";
/** How many events went by is not known here; numbers only have to rise. */
const LAST_SEQUENCE_NUMBER = 2 ** 31 - 1;

/** The protocol's own error record, for the endpoint that was called; `begun` is what the client has got of the stream for sure. */
export function lostRecord(style: ApiStyle, path: string, begun: Uint8Array): Uint8Array {
  return new TextEncoder().encode(path === RESPONSES_PATH ? responseFailed(begun) : recordText(style));
}

function recordText(style: ApiStyle): string {
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

/** Clients take a failure for theirs only when it names the response that the stream's first event has announced. */
function responseFailed(begun: Uint8Array): string {
  const error = { code: "server_error", message: LOST };
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
