// Passes a blob on to Ollama as it comes, gigabytes of it if need be: nothing is held. The path names the blob's SHA-256, which
// is what the token binds and what Ollama checks when the last byte is there, so that the agent need not.
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { request as httpRequest } from "node:http";
import type { LegHead } from "../../wire/leg.ts";
import { LEG_CONTENT_TYPE } from "../../wire/leg.ts";
import { call, faultOf } from "../call.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { ollamaUrl } from "./ollama-client.ts";

const BLOB_PATH = /^\/api\/blobs\/sha256[:-]([0-9a-f]{64})$/;
/** Ollama's answers to an upload are one line. */
const ANSWER_MAX_BYTES = 64 * 1024;

/** The digest of the blob that a path names, written as tokens of the leg write it; undefined for any other path. */
export function blobDigestOf(path: string): string | undefined {
  const hex = BLOB_PATH.exec(path)?.[1];
  return hex === undefined ? undefined : Buffer.from(hex, "hex").toString("base64url");
}

export type Upload = {
  readonly path: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Fires when the edge no longer wants it. */
  readonly signal: AbortSignal;
};

/** Relays one upload to its end and tells how it went; never rejects. */
export async function relayUpload(
  { path, request, response, signal }: Upload,
  deps: { readonly ollama: OllamaClient; readonly keepAliveMs: number },
): Promise<"served" | "failed" | "cancelled"> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  // At once, before a byte of the blob: the edge takes an agent that says nothing for one that is away.
  response.writeHead(200, { "content-type": LEG_CONTENT_TYPE, "cache-control": "no-transform" });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write("\n"), deps.keepAliveMs);
  try {
    const ended = AbortSignal.any([gone.signal, signal]);
    if (await isThere(deps.ollama, path, ended)) {
      // What the edge has still to send is read, and goes nowhere: its next request comes over the same connection.
      request.resume();
      response.end(headLine({ status: 200, headers: {} }));
      return "served";
    }
    const answer = await send(deps.ollama, { path, request }, ended);
    const text = await readAnswer(answer);
    clearInterval(keepAlive);
    response.write(headLine({ status: answer.statusCode ?? 502, headers: headersOf(answer) }));
    response.end(text);
    return (answer.statusCode ?? 502) < 500 ? "served" : "failed";
  } catch (cause) {
    if (gone.signal.aborted || signal.aborted) {
      response.destroy();
      return "cancelled";
    }
    response.end(headLine({ status: 502, headers: {}, failure: `ollama: ${faultOf(cause)}`.slice(0, 200) }));
    return "failed";
  } finally {
    clearInterval(keepAlive);
  }
}

/** Ollama answers the upload of a blob that it has unread, and resets the connection: whoever still writes loses the answer. */
async function isThere(ollama: OllamaClient, path: string, signal: AbortSignal): Promise<boolean> {
  return (await call(ollamaUrl(ollama, path), { method: "HEAD", timeoutMs: 0, signal })).status === 200;
}

/** Never over a pooled connection: what has flowed into one that Ollama was closing could not be sent again. */
async function send(
  ollama: OllamaClient,
  { path, request }: Pick<Upload, "path" | "request">,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const length = request.headers["content-length"];
  const upstream: ClientRequest = httpRequest(ollamaUrl(ollama, path), {
    method: "POST",
    headers: {
      "content-type": "application/octet-stream",
      ...(length === undefined ? { "transfer-encoding": "chunked" } : { "content-length": length }),
    },
    agent: false,
    signal,
  });
  return await new Promise((resolve, reject) => {
    upstream.once("response", (answer) => {
      // It came between the question and the upload. What is left is read all the same.
      request.unpipe(upstream);
      request.resume();
      resolve(answer);
    });
    upstream.on("error", reject);
    request.once("error", reject);
    request.pipe(upstream);
  });
}

async function readAnswer(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > ANSWER_MAX_BYTES) throw new Error("answer too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function headersOf(answer: IncomingMessage): Record<string, string> {
  const type = answer.headers["content-type"];
  return type === undefined ? {} : { "content-type": type };
}

function headLine(head: LegHead): string {
  return `${JSON.stringify(head)}\n`;
}
