// Refusals in the shape of the API that was called: Ollama's, OpenAI's, Anthropic's, or RFC 9457 problems for Hive's own routes.
import { ERRORS } from "../wire/errors.ts";
import type { ErrorCode } from "../wire/errors.ts";
import type { QueuePlace } from "../wire/lease.ts";

export type ApiStyle = "ollama" | "openai" | "anthropic" | "hive";

export interface RefusalText {
  readonly code: ErrorCode;
  readonly message: string;
  /** Overrides the status of the code, where Ollama's own status differs. */
  readonly status?: number;
  readonly retryAfterSeconds?: number | undefined;
  /** Where it stood in the queue. */
  readonly queue?: QueuePlace | undefined;
  /** True where Ollama's own handler refuses and a compatibility layer translates, whatever the status. */
  readonly translated?: boolean;
}

/** The style of a path, before any route is known. */
export function styleOf(path: string): ApiStyle {
  if (path.startsWith("/hive/")) return "hive";
  if (path === "/v1/messages") return "anthropic";
  return path.startsWith("/v1/") ? "openai" : "ollama";
}

/** The JSON body of an error in the given style; also the payload of a stream's error record. */
export function errorBody(style: ApiStyle, status: number, refusal: RefusalText): unknown {
  switch (style) {
    case "ollama":
      return { error: refusal.message };
    case "openai":
      return { error: { message: refusal.message, type: openaiType(status), param: null, code: null } };
    case "anthropic":
      return {
        type: "error",
        error: { type: anthropicType(status), message: refusal.message },
        request_id: `req_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`,
      };
    case "hive":
      return {
        type: "about:blank",
        title: ERRORS[refusal.code].title,
        status,
        code: refusal.code,
        detail: refusal.message,
      };
  }
}

/** A whole refusal. 429, 503 and 504 carry Retry-After in whole seconds, 1 to 120. */
export function refuse(style: ApiStyle, refusal: RefusalText): Response {
  const status = refusal.status ?? ERRORS[refusal.code].status;
  const translated = refusal.translated ?? isTranslated(style, status);
  const headers: Record<string, string> = {
    "content-type": translated ? "application/json" : CONTENT_TYPES[style],
    "cache-control": "no-store",
  };
  if (status === 429 || status === 503 || status === 504) {
    headers["retry-after"] = String(Math.min(120, Math.max(1, Math.ceil(refusal.retryAfterSeconds ?? 5))));
  }
  if (status === 401) headers["www-authenticate"] = "Bearer";
  if (refusal.queue !== undefined) Object.assign(headers, placeHeaders(refusal.queue));
  const body = JSON.stringify(errorBody(style, status, refusal));
  return new Response(translated ? `${body}\n` : body, { status, headers });
}

function placeHeaders({ position, expectedWaitMs }: QueuePlace): Record<string, string> {
  const place = { "hive-queue-position": String(position) };
  return expectedWaitMs === undefined ? place : { ...place, "hive-expected-wait-ms": String(expectedWaitMs) };
}

const JSON_TYPE = "application/json; charset=utf-8";
const CONTENT_TYPES: Readonly<Record<ApiStyle, string>> = {
  ollama: JSON_TYPE,
  openai: JSON_TYPE,
  anthropic: JSON_TYPE,
  hive: "application/problem+json",
};

/** What Ollama's compatibility layers translate has another media type and a newline; what they refuse themselves (400) has not. */
function isTranslated(style: ApiStyle, status: number): boolean {
  return (style === "openai" || style === "anthropic") && status !== 400;
}

function openaiType(status: number): string {
  if (status === 400) return "invalid_request_error";
  return status === 404 ? "not_found_error" : "api_error";
}

const ANTHROPIC_TYPES: ReadonlyMap<number, string> = new Map([
  [400, "invalid_request_error"],
  [401, "authentication_error"],
  [403, "permission_error"],
  [404, "not_found_error"],
  [429, "rate_limit_error"],
  [503, "overloaded_error"],
]);

function anthropicType(status: number): string {
  return ANTHROPIC_TYPES.get(status) ?? "api_error";
}
