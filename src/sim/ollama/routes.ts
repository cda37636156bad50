// The table of contents of the simulated Ollama: every path, method and handler.
import type { Exchange } from "./exchange.ts";
import type { Host } from "./host.ts";
import { openaiModels, ps, show, tags } from "./api/catalogue.ts";
import { sendJson } from "./exchange.ts";
import { handleChat, handleEmbed, handleEmbeddings, handleGenerate } from "./api/native.ts";
import { decodeNative } from "./api/native.ts";
import { showRequest } from "./api/native-requests.ts";
import { handleMessages } from "./api/anthropic.ts";
import {
  handleBlobHead,
  handleBlobPost,
  handleCopy,
  handleDelete,
  handleMe,
  handleRecommendations,
  handleRetrieve,
  handleSignout,
  refuseCloud,
} from "./api/management.ts";
import { handleResponses } from "./api/responses.ts";
import { handleCreate, handlePull, handlePush } from "./api/transfers.ts";
import { handleTranscription } from "./api/transcription.ts";
import { handleChatCompletions, handleCompletions, handleOpenaiEmbeddings } from "./api/openai.ts";

/** Which API's error shape a route has. */
export type Dialect = "native" | "openai" | "anthropic";

export type Route = {
  readonly dialect: Dialect;
  /** Takes part in faults that name no endpoint. */
  readonly inference: boolean;
  /** The handler reads the body itself. */
  readonly streamsBody: boolean;
  readonly handle: (host: Host, exchange: Exchange) => void | Promise<void>;
};

export type Methods = Readonly<Partial<Record<"HEAD" | "GET" | "POST" | "DELETE", Route>>>;

function route(handle: Route["handle"], more: Partial<Route> = {}): Route {
  return { dialect: "native", inference: false, streamsBody: false, handle, ...more };
}

const running = route((_host, exchange) => {
  exchange.reply.whole(200, "text/plain; charset=utf-8", "Ollama is running");
});
const version = route((host, exchange) => sendJson(exchange, 200, { version: host.version }));
const listTags = route((host, exchange) => sendJson(exchange, 200, tags(host)));

const NATIVE_INFERENCE = { inference: true } as const;
const OPENAI_INFERENCE = { dialect: "openai", inference: true } as const;

/** Methods in the order in which gin lists them in `Allow`. */
export const ROUTES: ReadonlyMap<string, Methods> = new Map<string, Methods>([
  ["/", { HEAD: running, GET: running }],
  ["/api/version", { HEAD: version, GET: version }],
  [
    "/api/status",
    { GET: route((_host, exchange) => sendJson(exchange, 200, { cloud: { disabled: true, source: "env" } })) },
  ],
  ["/api/tags", { HEAD: listTags, GET: listTags }],
  ["/api/ps", { GET: route((host, exchange) => sendJson(exchange, 200, ps(host))) }],
  [
    "/api/show",
    {
      POST: route((host, exchange) => {
        const call = decodeNative(exchange, showRequest);
        if (call !== undefined) show(host, exchange, call);
      }),
    },
  ],
  ["/api/pull", { POST: route(handlePull) }],
  ["/api/push", { POST: route(handlePush) }],
  ["/api/create", { POST: route(handleCreate) }],
  ["/api/copy", { POST: route(handleCopy) }],
  ["/api/delete", { DELETE: route(handleDelete) }],
  ["/api/me", { POST: route(handleMe) }],
  ["/api/signout", { POST: route(handleSignout) }],
  ["/api/experimental/web_search", { POST: route(refuseCloud("web search is unavailable")) }],
  ["/api/experimental/web_fetch", { POST: route(refuseCloud("web fetch is unavailable")) }],
  ["/api/experimental/model-recommendations", { GET: route(handleRecommendations) }],
  ["/api/generate", { POST: route(handleGenerate, NATIVE_INFERENCE) }],
  ["/api/chat", { POST: route(handleChat, NATIVE_INFERENCE) }],
  ["/api/embed", { POST: route(handleEmbed, NATIVE_INFERENCE) }],
  ["/api/embeddings", { POST: route(handleEmbeddings, NATIVE_INFERENCE) }],
  ["/v1/chat/completions", { POST: route(handleChatCompletions, OPENAI_INFERENCE) }],
  ["/v1/completions", { POST: route(handleCompletions, OPENAI_INFERENCE) }],
  ["/v1/responses", { POST: route(handleResponses, OPENAI_INFERENCE) }],
  ["/v1/messages", { POST: route(handleMessages, { dialect: "anthropic", inference: true }) }],
  ["/v1/audio/transcriptions", { POST: route(handleTranscription, OPENAI_INFERENCE) }],
  ["/v1/embeddings", { POST: route(handleOpenaiEmbeddings, OPENAI_INFERENCE) }],
  [
    "/v1/models",
    {
      GET: route(
        (host, exchange) => {
          exchange.reply.whole(200, "application/json", `${JSON.stringify(openaiModels(host))}\n`);
        },
        { dialect: "openai" },
      ),
    },
  ],
]);

/** Routes whose last part is a name. */
export const NAMED_ROUTES: ReadonlyMap<string, Methods> = new Map<string, Methods>([
  ["/api/blobs", { HEAD: route(handleBlobHead), POST: route(handleBlobPost, { streamsBody: true }) }],
  ["/api/user/keys", { DELETE: route(handleSignout) }],
  ["/v1/models", { GET: route(handleRetrieve, { dialect: "openai" }) }],
]);
