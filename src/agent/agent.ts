// The agent beside one Ollama: joins once, sends heartbeats, and relays what the edge has signed.
import type { HostKeys } from "../auth/host-token.ts";
import { deriveLegKey } from "../auth/leg-token.ts";
import type { Limits } from "../wire/heartbeat.ts";
import { AgentError } from "./agent-error.ts";
import { answerChallenge } from "./door/challenge.ts";
import { faultOf } from "./call.ts";
import { CurrentLimits } from "./current-limits.ts";
import { isConfidential } from "./edge-address.ts";
import { EdgeClock } from "./edge-clock.ts";
import { Gate } from "./door/gate.ts";
import { GpuMemoryWatch } from "./heartbeat/gpu-memory.ts";
import { Heartbeats } from "./heartbeat/heartbeat.ts";
import { learnEdgeTime } from "./edge-time.ts";
import { joinEdge, readInvite } from "./join.ts";
import { Leases } from "./relay/leases.ts";
import { Loads } from "./relay/loads.ts";
import type { Log } from "./log.ts";
import { openOllama } from "./relay/ollama-client.ts";
import { Orders } from "./orders/orders.ts";
import { Probe } from "./heartbeat/probe.ts";
import { Residency } from "./heartbeat/residency.ts";
import { openShare } from "./orders/share.ts";
import type { Share } from "./orders/share.ts";
import { openServer, refuse } from "./door/server.ts";
import type { Handler } from "./door/server.ts";
import { readKeys, readMembership, writeMembership } from "./state.ts";
import type { Membership } from "./state.ts";

export interface AgentOptions {
  readonly edgeUrl: string;
  readonly ollamaUrl: string;
  readonly listen: { readonly hostname: string; readonly port: number };
  readonly stateDir: string;
  /** Needed for the first start; one that this agent has used already is ignored. */
  readonly joinToken?: string;
  /** Most requests at once; OLLAMA_NUM_PARALLEL, else 1, unless given. */
  readonly slots?: number;
  /** Limits that hold here whatever the edge says. */
  readonly limits?: Partial<Limits>;
  /** GPU memory, where the machine cannot be asked for it. */
  readonly memoryBytes?: number;
  /** Ollama's model folder; models can then come from other hosts. */
  readonly modelsDir?: string;
  /** Where other hosts may fetch models from this one. */
  readonly share?: { readonly hostname: string; readonly port: number };
  readonly log: Log;
}

export interface Agent {
  readonly hostId: string;
  readonly port: number;
  /** Takes itself out: tells the edge, and waits until what runs here has ended, but no longer than so many ms. */
  drain(limitMs: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts an agent; rejects with an AgentError of one line that says what to do. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const edge = URL.parse(options.edgeUrl);
  if (edge === null) throw new AgentError(`--edge: ${JSON.stringify(options.edgeUrl)} is not a URL`);
  if (!isConfidential(edge)) throw new AgentError(`--edge: ${edge.origin} needs https, for it is not on this site`);
  const slotsWanted = readSlots(options.slots);
  const ollama = openOllama(options.ollamaUrl);
  let handler: Handler = (_request, response) => refuse(response, 401);
  // The port first: a join token is spent only once all else is sure.
  const server = await openServer(options.listen, (request, response, body) => handler(request, response, body));
  try {
    const clock = new EdgeClock();
    const keys = await readKeys(options.stateDir);
    const membership = await findMembership(options, keys, clock);
    const slots = Math.min(slotsWanted, membership.slots ?? slotsWanted);
    const work = await prepare({ options, ollama, clock, keys, membership, slots });
    handler = work.handler;
    await work.heartbeats.start();
    const close = async (): Promise<void> => {
      work.leases.cancelAll();
      work.orders.stop();
      work.loads.stop();
      await Promise.all([work.heartbeats.stop(), server.close(), work.share?.close()]);
      ollama.close();
    };
    return { hostId: membership.hostId, port: server.port, drain: work.drain, close };
  } catch (cause) {
    await server.close();
    ollama.close();
    throw cause;
  }
}

type LegKey = Awaited<ReturnType<typeof deriveLegKey>>;

interface Parts {
  readonly options: AgentOptions;
  readonly ollama: ReturnType<typeof openOllama>;
  readonly clock: EdgeClock;
  readonly keys: HostKeys;
  readonly membership: Membership;
  readonly slots: number;
}

/** Puts the parts together; nothing runs yet. */
async function prepare(parts: Parts) {
  const { options, ollama, clock, keys, membership, slots } = parts;
  const { hostId, issuer, edgeAgreementKey } = membership;
  const { log } = options;
  const legKey = await deriveLegKey(keys.agreementPrivateKey, edgeAgreementKey, hostId);
  const leases = new Leases(slots);
  const hurry = (): void => heartbeats.hurry();
  const limits = new CurrentLimits(options.limits);
  const probe = new Probe(ollama);
  const residency = new Residency(async () => await probe.readRunning());
  const nameOf = (model: string): string | undefined => probe.nameOf(model);
  const embedsOnly = (model: string): boolean => probe.embedsOnly(model);
  const loads = new Loads({ ollama, residency, limits, nameOf, embedsOnly, log, onChanged: hurry });
  const orders = new Orders({ ollama, leases, loads, residency, log, onChanged: hurry, modelsDir: options.modelsDir });
  const leaving = { draining: false };
  const share = await openShareOf(parts, legKey);
  const told = toldBeside(options, orders, share);
  const heartbeats: Heartbeats = new Heartbeats({
    membership,
    keys,
    clock,
    probe,
    leases,
    loads,
    limits,
    slots,
    log,
    also: () => ({ ...told(), ...(leaving.draining ? { draining: true } : {}) }),
    carryOut: (order) => orders.carryOut(order),
  });
  const gate = new Gate({
    legKey,
    hostId,
    runId: heartbeats.runId,
    issuer,
    clock,
    leases,
    log,
    onCancelled: hurry,
    answerChallenge: async (nonce) =>
      await answerChallenge({ keys, hostId, runId: heartbeats.runId, issuer, clock }, nonce),
    report: async () => await heartbeats.report(),
    hasTold: (model) => heartbeats.hasTold(model),
    relay: { ollama, limits, loads, residency, onOllamaFault: hurry },
  });
  const handler: Handler = (request, response, body) => {
    gate.handle(request, response, body).catch((cause: unknown) => {
      log({ event: "request-failed", reason: faultOf(cause) });
      response.destroy();
    });
  };
  const drain = async (limitMs: number): Promise<void> => {
    leaving.draining = true;
    hurry();
    await leases.whenIdle(limitMs);
  };
  return { leases, orders, loads, heartbeats, handler, drain, share };
}

/** What heartbeats tell beside what Ollama says: work on order, memory, the door for other hosts. */
function toldBeside({ memoryBytes }: AgentOptions, orders: Orders, share: Share | undefined) {
  const memory = new GpuMemoryWatch(memoryBytes);
  return () => ({
    ...(share === undefined ? {} : { shareUrl: share.url }),
    tasks: orders.tasks.report(),
    ...memory.read(),
  });
}

/** The door for other hosts of the site, where the operator has asked for one. */
async function openShareOf({ options, membership, clock }: Parts, legKey: LegKey): Promise<Share | undefined> {
  const { share: listen, modelsDir, log } = options;
  if (listen === undefined) return undefined;
  if (modelsDir === undefined) throw new AgentError("--share needs --models: Ollama's model folder");
  const { hostId, issuer } = membership;
  return await openShare({ listen, modelsDir, legKey, hostId, issuer, clock, log });
}

/** Who this host is: by joining with an invite that was not used yet, else from the last join. */
async function findMembership(options: AgentOptions, keys: HostKeys, clock: EdgeClock): Promise<Membership> {
  const { edgeUrl, joinToken, stateDir } = options;
  const known = await readMembership(stateDir);
  await learnEdgeTime(edgeUrl, clock);
  // A service that restarts with its first command line presents its used invite again.
  if (joinToken !== undefined && readInvite(joinToken).tokenId !== known?.joinTokenId) {
    const joined = await joinEdge(edgeUrl, joinToken, keys, clock);
    await writeMembership(stateDir, joined);
    return joined;
  }
  if (known === undefined)
    throw new AgentError("this agent has not joined yet: give --join TOKEN (from `hive host invite`)");
  return { ...known, edgeUrl };
}

function readSlots(option: number | undefined): number {
  const slots = option ?? Number(process.env["OLLAMA_NUM_PARALLEL"] || 1);
  if (Number.isInteger(slots) && slots >= 1 && slots <= 4096) return slots;
  throw new AgentError("slots: a whole number from 1 to 4096 is needed (--slots, or OLLAMA_NUM_PARALLEL)");
}
