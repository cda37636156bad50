// One short HTTP call over node:http(s), with a time limit, a size limit and a signal: for the edge and for Ollama's small answers.
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export type CallOptions = {
  readonly method: "GET" | "HEAD" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Whole call, ms; 0 is without limit. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly agent?: Agent;
};

export type CallAnswer = {
  readonly status: number;
  readonly dateHeader: string | undefined;
  readonly text: string;
};

// 2,000 rows of /api/tags are below 2 MB.
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Makes the call and reads the whole answer; rejects on every fault of the network and when a limit is passed. */
export async function call(url: URL, options: CallOptions): Promise<CallAnswer> {
  const limits = [options.signal, options.timeoutMs > 0 ? AbortSignal.timeout(options.timeoutMs) : undefined];
  const signal = AbortSignal.any(limits.filter((limit) => limit !== undefined));
  const message = await send(url, options, signal);
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw new Error("answer too long");
    chunks.push(chunk);
  }
  return {
    status: message.statusCode ?? 0,
    dateHeader: message.headers.date,
    text: Buffer.concat(chunks).toString("utf8"),
  };
}

async function send(url: URL, options: CallOptions, signal: AbortSignal): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const open = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request: ClientRequest = open(url, {
      method: options.method,
      headers: { accept: "application/json", ...options.headers, ...lengthOf(options.body) },
      signal,
      ...(options.agent === undefined ? {} : { agent: options.agent }),
    });
    request.once("response", resolve);
    request.on("error", reject);
    request.end(options.body);
  });
}

function lengthOf(body: Uint8Array | undefined): Record<string, string> {
  return body === undefined ? {} : { "content-length": String(body.byteLength) };
}

/** The text as JSON, or undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** What went wrong with a call, in a few words for a log. */
export function faultOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "unknown fault";
  if (cause.name === "TimeoutError" || causeName(cause) === "TimeoutError") return "timed out";
  if ("code" in cause && typeof cause.code === "string") return cause.code;
  return cause.message;
}

function causeName(fault: Error): string | undefined {
  return fault.cause instanceof Error ? fault.cause.name : undefined;
}
