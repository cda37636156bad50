// Ollama's inference endpoints as the edge sees them: one row each, with the words Ollama uses when something is missing.
import type { ApiStyle } from "./refuse.ts";

export interface Endpoint {
  readonly path: string;
  readonly style: Exclude<ApiStyle, "hive">;
  readonly kind: "chat" | "generate" | "embed" | "control";
  /** What an absent `stream` means; undefined where the endpoint never streams. */
  readonly streamDefault?: boolean;
  /** Ollama's answer to a body without a model. */
  readonly withoutModel: { readonly status: 400 | 404; readonly message: string };
  /** Ollama's 404 for a model nobody has; `name` as the caller spelled it. */
  readonly unknownModel: (name: string, display: string) => string;
  /** Name of the Go struct in Ollama's type errors. */
  readonly goStruct: string;
  /** The body is a multipart form, and the answer a small one even where its media type is a stream's. */
  readonly isForm?: true;
}

const quoted = (name: string) => `model '${name}' not found`;
const pullFirst = (name: string) => `model "${name}" not found, try pulling it first`;
const required = { status: 400, message: "model is required" } as const;
const emptyName = { status: 404, message: "model '' not found" } as const;

const ROWS: readonly Endpoint[] = [
  row("/api/generate", "ollama", "generate", {
    streamDefault: true,
    withoutModel: emptyName,
    unknownModel: quoted,
    goStruct: "api.GenerateRequest",
  }),
  row("/api/chat", "ollama", "chat", {
    streamDefault: true,
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "api.ChatRequest",
  }),
  row("/api/embed", "ollama", "embed", {
    withoutModel: emptyName,
    unknownModel: pullFirst,
    goStruct: "api.EmbedRequest",
  }),
  row("/api/embeddings", "ollama", "embed", {
    withoutModel: required,
    unknownModel: pullFirst,
    goStruct: "api.EmbeddingRequest",
  }),
  row("/api/show", "ollama", "control", {
    withoutModel: required,
    unknownModel: (_name, display) => `model '${display}' not found`,
    goStruct: "api.ShowRequest",
  }),
  row("/v1/chat/completions", "openai", "chat", {
    streamDefault: false,
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "openai.ChatCompletionRequest",
  }),
  row("/v1/completions", "openai", "generate", {
    streamDefault: false,
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "openai.CompletionRequest",
  }),
  row("/v1/embeddings", "openai", "embed", {
    withoutModel: required,
    unknownModel: pullFirst,
    goStruct: "openai.EmbedRequest",
  }),
  row("/v1/responses", "openai", "chat", {
    streamDefault: false,
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "openai.ResponsesRequest",
  }),
  row("/v1/messages", "anthropic", "chat", {
    streamDefault: false,
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "anthropic.MessagesRequest",
  }),
  row("/v1/audio/transcriptions", "openai", "chat", {
    withoutModel: required,
    unknownModel: quoted,
    goStruct: "openai.TranscriptionRequest",
    isForm: true,
  }),
];

export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(ROWS.map((endpoint) => [endpoint.path, endpoint]));

function row(
  path: string,
  style: Endpoint["style"],
  kind: Endpoint["kind"],
  rest: Omit<Endpoint, "path" | "style" | "kind">,
): Endpoint {
  return { path, style, kind, ...rest };
}
