// The hosts of `hive up`: one agent per Ollama in this process, with the same id and port at every start.
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import * as z from "zod";
import type { Agent } from "../agent/agent.ts";
import { startAgent } from "../agent/agent.ts";
import { issueJoinToken } from "../auth/join-token.ts";
import { readIfThere, writeWhole } from "../selfhost/files.ts";
import { callEdge, readFleet } from "./edge-client.ts";
import { requireKeys } from "./state.ts";
import { say } from "./terminal.ts";
import type { Backend } from "./up-ollamas.ts";
import { logLine } from "../wire/log-line.ts";

const hostRecordSchema = z.object({
  id: z.string(),
  backend: z.string().describe("Key of the Ollama behind it."),
  port: z.int().describe("Where its agent listens, on loopback."),
  joinedTo: z.string().optional().describe("Issuer and agreement key of the edge it joined."),
});
const upFileSchema = z.object({ hosts: z.array(hostRecordSchema) });
type HostRecord = z.infer<typeof hostRecordSchema>;

export interface UpContext {
  readonly edgeUrl: string;
  readonly issuer: string;
  readonly state: string;
}

/** Starts an agent for each backend, inviting those that the edge does not know at their address. */
export async function startHosts(backends: readonly Backend[], context: UpContext): Promise<readonly Agent[]> {
  const path = join(resolve(context.state), "up.json");
  const records = await readRecords(path);
  const known = new Map(
    (await readFleet({ edge: context.edgeUrl, state: context.state })).hosts.map((host) => [host.id, host.url]),
  );
  const kept = await dropUnusedSimulated(records, backends, known, context);
  const agents: Agent[] = [];
  try {
    for (const backend of backends) {
      const record = await recordFor(backend, kept);
      await writeWhole(path, JSON.stringify({ hosts: kept }));
      agents.push(await startHost(record, backend, known.get(record.id), context));
      await writeWhole(path, JSON.stringify({ hosts: kept }));
    }
  } catch (error) {
    await Promise.all(agents.map(async (agent) => agent.close()));
    throw error;
  }
  return agents;
}

async function startHost(
  record: HostRecord,
  backend: Backend,
  knownUrl: string | undefined,
  context: UpContext,
): Promise<Agent> {
  const stateDir = join(resolve(context.state), "agents", record.id);
  const url = `http://127.0.0.1:${String(record.port)}`;
  const keys = await requireKeys(context.state);
  // New keys or another issuer make the edge a stranger to the agent, though the cell still lists the host.
  const joinedTo = `${context.issuer} ${keys.leg.publicJwk.x}`;
  const isMember = (await readIfThere(join(stateDir, "agent.json"))) !== undefined;
  const isJoined = isMember && knownUrl === url && record.joinedTo === joinedTo;
  const invitation = { hostId: record.id, url, pool: "default", region: "" };
  const joinToken = isJoined
    ? undefined
    : await issueJoinToken(keys, invitation, { issuer: context.issuer, now: Date.now() });
  const agent = await startAgent({
    edgeUrl: context.edgeUrl,
    ollamaUrl: backend.url,
    listen: { hostname: "127.0.0.1", port: record.port },
    stateDir,
    ...(joinToken === undefined ? {} : { joinToken }),
    ...(backend.slots === undefined ? {} : { slots: backend.slots }),
    log: (line) => say(`agent ${record.id}: ${logLine(line)}`),
  });
  record.joinedTo = joinedTo;
  return agent;
}

/** Simulated hosts of an earlier start would stay in the fleet as dead ones beside the real ones. */
async function dropUnusedSimulated(
  records: readonly HostRecord[],
  backends: readonly Backend[],
  known: Map<string, string>,
  context: UpContext,
): Promise<HostRecord[]> {
  const used = new Set(backends.map((backend) => backend.key));
  const kept: HostRecord[] = [];
  for (const record of records) {
    if (used.has(record.backend) || !record.backend.startsWith("simulated-")) kept.push(record);
    else if (known.delete(record.id)) {
      await callEdge({ edge: context.edgeUrl, state: context.state }, "DELETE", `/hosts/${record.id}`);
    }
  }
  return kept;
}

/** The backend's record with a port that is free now; a new one is added to the list. */
async function recordFor(backend: Backend, records: HostRecord[]): Promise<HostRecord> {
  const index = records.findIndex((record) => record.backend === backend.key);
  const before = records[index];
  const port = await freePort(before?.port ?? 0);
  const record: HostRecord = { ...before, id: before?.id ?? newId(backend.key, records), backend: backend.key, port };
  if (before === undefined) records.push(record);
  else records[index] = record;
  return record;
}

function newId(key: string, records: readonly HostRecord[]): string {
  if (key.startsWith("simulated-")) return key;
  const taken = new Set(records.map((record) => record.id));
  let number = 1;
  while (taken.has(`local-${String(number)}`)) number += 1;
  return `local-${String(number)}`;
}

/** The wanted port if nobody listens there, else any free one. */
async function freePort(wanted: number): Promise<number> {
  const got = await tryPort(wanted);
  const port = got ?? (await tryPort(0));
  if (port === undefined) throw new Error("no free port on 127.0.0.1");
  return port;
}

async function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(undefined));
    server.listen(wanted, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      server.close(() => done(port));
    });
  });
}

async function readRecords(path: string): Promise<readonly HostRecord[]> {
  const text = await readIfThere(path);
  if (text === undefined) return [];
  try {
    const parsed = upFileSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.hosts : [];
  } catch {
    // A damaged file costs new ports and a new invitation, nothing more.
    return [];
  }
}
