// The way to Ollama on this machine: one keep-alive pool, no time limits, and a Host header that Ollama accepts.
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpRequest } from "node:http";
import { AgentError } from "./agent-error.ts";

export type OllamaClient = {
  readonly baseUrl: URL;
  readonly agent: Agent;
  readonly close: () => void;
};

/** Checks the URL and opens the pool. */
export function openOllama(text: string): OllamaClient {
  const baseUrl = URL.canParse(text) ? new URL(text) : undefined;
  if (baseUrl?.protocol !== "http:") {
    throw new AgentError(`--ollama must be a URL like http://127.0.0.1:11434, not ${JSON.stringify(text)}`);
  }
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  return { baseUrl, agent, close: () => agent.destroy() };
}

/** The URL of one of Ollama's endpoints. */
export function ollamaUrl(client: OllamaClient, path: string): URL {
  const url = new URL(client.baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}${path}`;
  return url;
}

export type OllamaPost = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
};

/**
 * Posts and waits for Ollama's header. A pooled socket that Ollama closed while it lay idle fails without having reached
 * it (https://nodejs.org/api/http.html, request.reusedSocket), so that one case is tried again on a fresh connection.
 */
export async function postToOllama(client: OllamaClient, post: OllamaPost): Promise<IncomingMessage> {
  const first = open(client, post, client.agent);
  try {
    return await first.answer;
  } catch (cause) {
    if (!first.request.reusedSocket || post.signal.aborted || !isReset(cause)) throw cause;
    return await open(client, post, undefined).answer;
  }
}

function open(client: OllamaClient, post: OllamaPost, agent: Agent | undefined) {
  const request: ClientRequest = httpRequest(ollamaUrl(client, post.path), {
    method: "POST",
    headers: { ...post.headers, "accept-encoding": "identity", "content-length": String(post.body.byteLength) },
    agent: agent ?? false,
    signal: post.signal,
    setDefaultHeaders: true,
  });
  request.setNoDelay(true);
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
  request.end(post.body);
  return { request, answer };
}

function isReset(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE");
}
