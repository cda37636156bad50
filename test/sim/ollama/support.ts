// Raw requests to the simulated host: what a client library hides, such as chunks and header lines, is what these tests are about.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { SimulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import type { SimulatedOllama, SimulatedOllamaOptions } from "../../../src/sim/ollama/server.ts";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../../src/sim/ollama/server.ts";

export type RawAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The chunks of a chunked body. */
  readonly chunks: readonly string[] | undefined;
};

export type RawRequest = {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | null;
};

/** A host with one quick model, `tiny`, and whatever else is given. */
export async function startHost(
  given: Partial<SimulatedOllamaOptions> = {},
  tiny: Partial<SimulatedModel> = {},
): Promise<SimulatedOllama & AsyncDisposable> {
  const models = given.models ?? [simulatedModel({ name: "tiny", ...tiny })];
  const host = await startSimulatedOllama({ ...given, models });
  return { ...host, [Symbol.asyncDispose]: () => host.close() };
}

/** Sends bytes and takes the answer apart; the connection is used once. */
export async function sendRaw(port: number, request: RawRequest): Promise<RawAnswer> {
  const body = request.body === undefined || request.body === null ? undefined : Buffer.from(request.body);
  const headers = {
    Host: `127.0.0.1:${port}`,
    ...request.headers,
    Connection: "close",
    ...(body === undefined ? {} : { "Content-Length": String(body.length) }),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(port, "127.0.0.1");
  socket.write(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  if (body !== undefined) socket.write(body);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return takeApart(Buffer.concat(pieces));
}

function takeApart(answer: Buffer): RawAnswer {
  const text = answer.toString("latin1");
  const split = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...headerLines] = text.slice(0, split).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of headerLines) {
    const name = line.slice(0, line.indexOf(":")).toLowerCase();
    const value = line.slice(line.indexOf(":") + 2);
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const raw = text.slice(split + 4);
  const chunks = headers["transfer-encoding"] === "chunked" ? splitChunks(raw) : undefined;
  // A chunk may end inside a character; the whole does not.
  const body = fromLatin1(chunks === undefined ? raw : chunks.join(""));
  return { status: Number(statusLine.split(" ")[1]), headers, body, chunks: chunks?.map(fromLatin1) };
}

function splitChunks(raw: string): string[] {
  const chunks: string[] = [];
  let rest = raw;
  for (;;) {
    const size = Number.parseInt(rest, 16);
    if (!(size > 0)) return chunks;
    const start = rest.indexOf("\r\n") + 2;
    chunks.push(rest.slice(start, start + size));
    rest = rest.slice(start + size + 2);
  }
}

function fromLatin1(text: string): string {
  return Buffer.from(text, "latin1").toString();
}

/** For `vi.waitFor`: a limit for hangs, not for speed. */
export const HANG = { timeout: 20_000, interval: 2 };

/** POSTs JSON with fetch. */
export async function post(host: { url: string }, path: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(host.url + path, {
    method: "POST",
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** POSTs JSON and reads the JSON that comes back. */
export async function postJson(host: { url: string }, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await post(host, path, body);
  return (await response.json()) as Record<string, unknown>;
}

/** The records of an NDJSON stream. */
export async function postLines(host: { url: string }, path: string, body: object): Promise<Record<string, unknown>[]> {
  const response = await post(host, path, body);
  const text = await response.text();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** One user message that says this. */
export function says(content: string): object[] {
  return [{ role: "user", content }];
}

/** What the records of a chat stream say in all. */
export function contentOf(records: readonly Record<string, unknown>[]): string {
  return records.map((record) => (record["message"] as { content: string } | undefined)?.content ?? "").join("");
}

/** Rows recorded from the real thing, one JSON array a line, in `vectors/`. */
export function readVectors<Row>(name: string): Row[] {
  const text = readFileSync(new URL(`vectors/${name}`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
}
