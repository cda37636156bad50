// The agent beside one Ollama: joins once, sends heartbeats, and relays what the edge has signed.
import { createServer } from "node:http";
import type { Server } from "node:http";
import { deriveLegKey } from "../auth/leg-token.ts";
import type { HeartbeatAnswer } from "../wire/heartbeat.ts";
import { LEG_KEEP_ALIVE_MS } from "../wire/leg.ts";
import { AgentError } from "./agent-error.ts";
import { call, faultOf } from "./call.ts";
import { EdgeClock } from "./edge-clock.ts";
import { Gate } from "./gate.ts";
import { Heartbeats } from "./heartbeat.ts";
import { joinEdge } from "./join.ts";
import { Leases } from "./leases.ts";
import { ollamaUrl, openOllama } from "./ollama-client.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { Probe } from "./probe.ts";
import { readKeys, readMembership, writeMembership } from "./state.ts";
import type { Membership } from "./state.ts";

export interface AgentOptions {
  readonly edgeUrl: string;
  readonly ollamaUrl: string;
  readonly listen: { readonly hostname: string; readonly port: number };
  readonly stateDir: string;
  readonly joinToken?: string;
  /** Most requests at once; OLLAMA_NUM_PARALLEL, else 1, unless given. */
  readonly slots?: number;
  /** Silence on the leg is broken this often; 15 s. */
  readonly keepAliveMs?: number;
  readonly log: (line: object) => void;
}

export interface Agent {
  readonly hostId: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts an agent; rejects with an AgentError of one line that says what to do. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  if (options.listen.hostname !== "127.0.0.1") {
    throw new AgentError(`--listen: the agent listens on 127.0.0.1 only, not on ${options.listen.hostname}`);
  }
  const clock = new EdgeClock();
  const keys = await readKeys(options.stateDir);
  const ollama = openOllama(options.ollamaUrl);
  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 0,
    keepAliveTimeout: 75_000,
    maxHeaderSize: 16_384,
  });
  try {
    // The port first: a join token is spent only once all else is sure.
    const port = await listen(server, options.listen.port);
    const membership = await findMembership(options, keys, clock);
    const slots = slotsOf(options, membership);
    const leases = new Leases(slots);
    const carryOut = (order: HeartbeatAnswer["orders"][number]) => obey(order, leases, ollama, options.log);
    const probe = new Probe(ollama);
    const heartbeats = new Heartbeats({ membership, keys, clock, probe, leases, slots, log: options.log, carryOut });
    const { hostId, issuer, edgeAgreementKey } = membership;
    const gate = new Gate({
      legKey: await deriveLegKey(keys.agreementPrivateKey, edgeAgreementKey, hostId),
      hostId,
      runId: heartbeats.runId,
      issuer,
      clock,
      leases,
      relay: { ollama, keepAliveMs: options.keepAliveMs ?? LEG_KEEP_ALIVE_MS, onOllamaFault: () => heartbeats.hurry() },
    });
    server.on("request", (request, response) => {
      gate.handle(request, response).catch((cause: unknown) => {
        options.log({ event: "request-failed", reason: faultOf(cause) });
        response.destroy();
      });
    });
    await heartbeats.start();
    const close = async (): Promise<void> => {
      leases.cancelAll();
      await heartbeats.stop();
      await stop(server);
      ollama.close();
    };
    return { hostId, port, close };
  } catch (cause) {
    await stop(server);
    ollama.close();
    throw cause;
  }
}

async function findMembership(
  options: AgentOptions,
  keys: Awaited<ReturnType<typeof readKeys>>,
  clock: EdgeClock,
): Promise<Membership> {
  if (options.joinToken !== undefined) {
    const joined = await joinEdge(options.edgeUrl, options.joinToken, keys, clock);
    await writeMembership(options.stateDir, joined);
    return joined;
  }
  const known = await readMembership(options.stateDir);
  if (known === undefined)
    throw new AgentError("this agent has not joined yet: give --join TOKEN (from `hive host invite`)");
  return { ...known, edgeUrl: options.edgeUrl };
}

function slotsOf(options: AgentOptions, membership: Membership): number {
  const parallel = Number(process.env["OLLAMA_NUM_PARALLEL"] ?? "1");
  const slots = options.slots ?? (Number.isInteger(parallel) && parallel > 0 ? parallel : 1);
  return Math.min(slots, membership.slots ?? slots);
}

/** Orders are the cell's; loads and unloads are Ollama's own empty requests. */
function obey(
  order: HeartbeatAnswer["orders"][number],
  leases: Leases,
  ollama: OllamaClient,
  log: (line: object) => void,
): void {
  switch (order.type) {
    case "cancel":
      leases.cancel(order.leaseId);
      break;
    case "load":
    case "unload": {
      const body = Buffer.from(JSON.stringify({ model: order.model, keep_alive: order.type === "unload" ? 0 : -1 }));
      call(ollamaUrl(ollama, "/api/generate"), { method: "POST", body, timeoutMs: 0 }).catch((cause: unknown) =>
        log({ event: "order-failed", order: order.type, reason: faultOf(cause) }),
      );
      break;
    }
    case "pull":
      log({ event: "order-refused", order: "pull", reason: "this agent does not pull" });
      break;
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: Error) => {
      const busy = "code" in cause && cause.code === "EADDRINUSE";
      const advice = busy ? `port ${port} is in use; choose another with --listen 127.0.0.1:PORT` : cause.message;
      reject(new AgentError(advice, { cause }));
    });
    server.listen(port, "127.0.0.1", resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
