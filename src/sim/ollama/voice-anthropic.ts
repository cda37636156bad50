// The words of /v1/messages, as Ollama makes them out of its own records.
import { randomBytes } from "node:crypto";
import { goJson } from "./go-json.ts";

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

/** The error object of the Anthropic style route. */
export function anthropicError(status: number, message: string): object {
  const type = ERROR_TYPES[status] ?? "api_error";
  return { type: "error", error: { type, message }, request_id: randomName("req") };
}

export const anthropicFailure = {
  failureType: "application/json",
  failure: (status: number, message: string) => `${goJson(anthropicError(status, message))}\n`,
};

function randomName(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}
