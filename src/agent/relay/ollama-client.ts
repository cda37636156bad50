// The way to Ollama on this machine: one keep-alive pool, no time limits, and a Host header that Ollama accepts.
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpRequest } from "node:http";
import { AgentError } from "../agent-error.ts";
import { hangUp } from "./hang-up.ts";

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

export type OllamaMethod = "POST" | "DELETE" | "HEAD";

export type OllamaPost = {
  /** POST unless given. */
  readonly method?: OllamaMethod;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

export type OllamaRequest = {
  /** Ollama's header, and the body that follows. */
  readonly answer: Promise<IncomingMessage>;
  /** Ends the request and waits for the proof; true when the connection had to be reset. */
  readonly end: () => Promise<boolean>;
};

/**
 * Posts to Ollama. A pooled socket that Ollama closed while it lay idle fails without having reached it
 * (https://nodejs.org/api/http.html, request.reusedSocket), so that one case is tried again on a fresh connection.
 */
export function postToOllama(client: OllamaClient, post: OllamaPost): OllamaRequest {
  let current = open(client, post, client.agent);
  let ended = false;
  const retried = async (): Promise<IncomingMessage> => {
    try {
      return await current.answer;
    } catch (cause) {
      if (ended || !current.request.reusedSocket || !isReset(cause)) throw cause;
      current = open(client, post, undefined);
      return await current.answer;
    }
  };
  const answer = retried();
  // Who has ended the request does not wait for it any more.
  answer.catch(() => undefined);
  const end = async (): Promise<boolean> => {
    ended = true;
    return await hangUp(current.request);
  };
  return { answer, end };
}

function open(client: OllamaClient, post: OllamaPost, agent: Agent | undefined) {
  const request: ClientRequest = httpRequest(ollamaUrl(client, post.path), {
    method: post.method ?? "POST",
    headers: { ...post.headers, "accept-encoding": "identity", "content-length": String(post.body.byteLength) },
    agent: agent ?? false,
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
