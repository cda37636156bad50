// The framed leg: answers at once, keeps the path alive while Ollama is silent, then head line and Ollama's own bytes.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { LegHead } from "../wire/leg.ts";
import type { Lease, LeaseReport } from "./leases.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { LEG_CONTENT_TYPE, LEG_HEAD_MAX_BYTES } from "../wire/leg.ts";
import { faultOf } from "./call.ts";
import { postToOllama } from "./ollama-client.ts";
import { RecordCutter, recordFormatOf } from "./records.ts";
import { Tail } from "./tail.ts";

const FORWARDED_HEADERS = ["content-type", "content-length", "allow", "location"] as const;
const SENT_HEADERS = ["content-type", "accept", "user-agent"] as const;

export type RelayCall = {
  readonly path: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly lease: Lease;
  /** From now until nobody wants the answer, ms. */
  readonly deadlineInMs: number | undefined;
};

export type RelayDeps = {
  readonly ollama: OllamaClient;
  readonly keepAliveMs: number;
  /** Ollama did not take the connection, or broke it. */
  readonly onOllamaFault: () => void;
  /**
   * Ollama's work is over, however it went. Called once, and before the answer's last byte: when the edge has that, the
   * slot is given to the next request, which must not find it taken.
   */
  readonly onEnded: (report: LeaseReport) => void;
};

/** Relays one request to its end, whatever that is; never rejects. */
export async function relay(call: RelayCall, deps: RelayDeps): Promise<void> {
  const { response, lease } = call;
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const deadline = startDeadline(call.deadlineInMs);
  const signal = AbortSignal.any([gone.signal, lease.signal, deadline.signal]);
  // A lease that is cancelled takes its connection with it; a client that is gone has none.
  lease.signal.addEventListener("abort", () => response.destroy());
  if (lease.signal.aborted) response.destroy();
  try {
    await exchange(call, deps, signal);
  } catch {
    const left = gone.signal.aborted || lease.signal.aborted;
    response.destroy();
    if (!left && !deadline.signal.aborted) deps.onOllamaFault();
    deps.onEnded({ outcome: left || deadline.signal.aborted ? "cancelled" : "failed" });
  } finally {
    deadline.stop();
  }
}

async function exchange(call: RelayCall, deps: RelayDeps, signal: AbortSignal): Promise<void> {
  const { response } = call;
  response.writeHead(200, { "content-type": LEG_CONTENT_TYPE, "cache-control": "no-transform" });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write("\n"), deps.keepAliveMs);
  let answer: IncomingMessage;
  try {
    answer = await postToOllama(deps.ollama, {
      path: call.path,
      body: call.body,
      headers: sentHeaders(call.request),
      signal,
    });
  } catch (cause) {
    if (response.destroyed || call.lease.signal.aborted) throw cause;
    if (!signal.aborted) deps.onOllamaFault();
    const failure = signal.aborted ? "deadline passed" : `ollama: ${faultOf(cause)}`;
    deps.onEnded({ outcome: signal.aborted ? "cancelled" : "failed" });
    response.end(headLine({ status: 502, headers: {}, failure: failure.slice(0, 200) }));
    return;
  } finally {
    clearInterval(keepAlive);
  }
  response.write(headLine({ status: answer.statusCode ?? 502, headers: forwardedHeaders(answer) }));
  await pump(answer, response, deps.onEnded);
}

/** Copies the body in whole records; rejects, with the answer unfinished, when Ollama's connection breaks. */
async function pump(answer: IncomingMessage, response: ServerResponse, onEnded: RelayDeps["onEnded"]): Promise<void> {
  const cutter = new RecordCutter(recordFormatOf(answer.headers["content-type"]));
  const tail = new Tail();
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    tail.push(chunk);
    await write(response, cutter.push(chunk));
    if (cutter.overflowed()) throw new Error("a record without end");
  }
  if (!answer.complete) throw new Error("the answer broke off");
  onEnded(tail.read(answer.statusCode ?? 502));
  for (const chunk of cutter.rest()) response.write(chunk);
  response.end();
}

/** Waits where the edge reads more slowly than Ollama writes. */
async function write(response: ServerResponse, chunks: readonly Buffer[]): Promise<void> {
  let flowing = true;
  for (const chunk of chunks) flowing = response.write(chunk);
  if (response.destroyed) throw new Error("the edge is gone");
  if (flowing) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      response.off("drain", settle);
      response.off("close", settle);
      if (response.destroyed) reject(new Error("the edge is gone"));
      else resolve();
    };
    response.once("drain", settle);
    response.once("close", settle);
  });
}

function sentHeaders(request: IncomingMessage): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const name of SENT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === "string") sent[name] = value;
  }
  return sent;
}

function forwardedHeaders(answer: IncomingMessage): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const name of FORWARDED_HEADERS) {
    const value = answer.headers[name];
    if (typeof value === "string") forwarded[name] = value;
  }
  return forwarded;
}

function headLine(head: LegHead): string {
  const line = `${JSON.stringify(head)}\n`;
  if (Buffer.byteLength(line) <= LEG_HEAD_MAX_BYTES) return line;
  return `${JSON.stringify({ status: 502, headers: {}, failure: "ollama: header too long" } satisfies LegHead)}\n`;
}

function startDeadline(inMs: number | undefined): { signal: AbortSignal; stop: () => void } {
  const abort = new AbortController();
  if (inMs === undefined) return { signal: abort.signal, stop: () => undefined };
  // setTimeout takes no more than 2^31-1 ms and fires at once beyond.
  const timer = setTimeout(() => abort.abort(), Math.min(Math.max(0, inMs), 2 ** 31 - 1));
  return { signal: abort.signal, stop: () => clearTimeout(timer) };
}
