// One host under test: a fake edge, a simulated Ollama, and the agent between them, over real sockets.
import { mkdtemp, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../../src/agent/agent.ts";
import type { Agent, AgentOptions } from "../../src/agent/agent.ts";
import type { LegClaims } from "../../src/auth/leg-token.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { SimulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import type { SimulatedOllama } from "../../src/sim/ollama/server.ts";
import { LEG_TOKEN_HEADER, legHeadSchema, legStatusSchema } from "../../src/wire/leg.ts";
import type { LegHead } from "../../src/wire/leg.ts";
import { startFakeEdge } from "../support/fake-edge.ts";
import type { FakeEdge } from "../support/fake-edge.ts";

export interface TestHost extends AsyncDisposable {
  readonly edge: FakeEdge;
  readonly ollama: SimulatedOllama;
  readonly agent: Agent;
  readonly stateDir: string;
  readonly logged: { readonly event: string }[];
  /** Starts another agent on the same state; it is closed with the host. */
  start(options?: Partial<AgentOptions>): Promise<Agent>;
  /** Sends a proven request; headers and claims may be bent. */
  send(leg: LegRequest): Promise<Leg>;
}

export interface LegRequest {
  readonly path?: string;
  readonly body?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly claims?: Partial<LegClaims>;
}

export interface Leg {
  readonly status: number;
  readonly answer: IncomingMessage;
  readonly request: ClientRequest;
  /** The first bytes after the header. */
  readonly firstBytes: () => Promise<string>;
  /** Everything to the end; `whole` is false when the connection was destroyed. */
  readonly read: () => Promise<{ text: string; whole: boolean }>;
}

export interface HostOptions {
  readonly agent?: Partial<AgentOptions>;
  readonly model?: Partial<SimulatedModel>;
  /** Instead of the one model `tiny`. */
  readonly models?: readonly SimulatedModel[];
  readonly ollamaSlots?: number;
  /** OLLAMA_KEEP_ALIVE. */
  readonly ollamaKeepAliveMs?: number;
}

export const CHAT = { model: "tiny", messages: [{ role: "user", content: "hello" }] };

/** Starts a host that has joined and sent its first heartbeat. */
export async function startHost(options: HostOptions = {}): Promise<TestHost> {
  const edge = await startFakeEdge();
  const models = options.models ?? [simulatedModel({ name: "tiny", ...options.model })];
  const { ollamaKeepAliveMs } = options;
  const keepAlive = ollamaKeepAliveMs === undefined ? {} : { keepAliveMs: ollamaKeepAliveMs };
  const ollama = await startSimulatedOllama({ models, slots: options.ollamaSlots ?? 4, ...keepAlive });
  const stateDir = await mkdtemp(join(tmpdir(), "hive-agent-"));
  const logged: { readonly event: string }[] = [];
  const agents: Agent[] = [];
  const start = async (given: Partial<AgentOptions> = {}): Promise<Agent> => {
    const agent = await startAgent({
      edgeUrl: edge.url,
      ollamaUrl: ollama.url,
      listen: { hostname: "127.0.0.1", port: 0 },
      stateDir,
      slots: 4,
      log: (line) => void logged.push(line),
      ...given,
    });
    agents.push(agent);
    return agent;
  };
  const agent = await start({ joinToken: await edge.invite(), ...options.agent });
  return {
    edge,
    ollama,
    agent,
    stateDir,
    logged,
    start,
    send: async (leg) => await sendLeg(edge, agent.port, leg),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(agents.map((each) => each.close()));
      await Promise.all([edge.close(), ollama.close()]);
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

async function sendLeg(edge: FakeEdge, port: number, leg: LegRequest): Promise<Leg> {
  const path = leg.path ?? "/api/chat";
  const body = Buffer.from(typeof leg.body === "string" ? leg.body : JSON.stringify(leg.body ?? CHAT));
  const token = await edge.sign({ body, path, ...leg.claims });
  const headers = { [LEG_TOKEN_HEADER]: token, "content-type": "application/json", ...leg.headers };
  const request = httpRequest({ port, host: "127.0.0.1", path, method: "POST", headers, agent: false });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
  request.end(body);
  const answer = await answered;
  return {
    status: answer.statusCode ?? 0,
    answer,
    request,
    firstBytes: async () =>
      await new Promise((resolve) => answer.once("data", (chunk: Buffer) => resolve(chunk.toString()))),
    read: async () => await readAll(answer),
  };
}

async function readAll(answer: IncomingMessage): Promise<{ text: string; whole: boolean }> {
  const chunks: Buffer[] = [];
  return await new Promise((resolve) => {
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.on("error", () => undefined);
    answer.once("close", () => resolve({ text: Buffer.concat(chunks).toString(), whole: answer.complete }));
  });
}

/** The keep-alive newlines and status lines, the head line, and Ollama's bytes. */
export function takeApart(text: string): { keepAlives: number; statuses: string[]; head: LegHead; body: string } {
  const statuses: string[] = [];
  let keepAlives = 0;
  for (let start = 0; ;) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end);
    start = end + 1;
    const status = line === "" ? undefined : legStatusSchema.safeParse(JSON.parse(line));
    if (status === undefined) keepAlives += 1;
    else if (status.success && !line.startsWith('{"status"')) statuses.push(status.data["hive-status"]);
    else return { keepAlives, statuses, head: legHeadSchema.parse(JSON.parse(line)), body: text.slice(start) };
  }
}

/** Sends bytes as they are and gives back all that comes. */
export async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(bytes);
  const pieces: Buffer[] = [];
  for await (const piece of socket as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString("latin1");
}

/** Waits until it holds; asks every 5 ms, for states of other processes' sockets that announce nothing. The limit is for hangs. */
export async function until(about: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never: ${about}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
