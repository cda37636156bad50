// A whole Hive for end-to-end tests: `hive serve` on plain workerd and one `hive agent` per simulated Ollama, as real processes.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { issueAdminToken } from "../../src/auth/admin-token.ts";
import { issueClientToken } from "../../src/auth/client-token.ts";
import type { ClientTokenRequest } from "../../src/auth/client-token.ts";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { importHiveKeys } from "../../src/auth/keys.ts";
import type { HiveKeys } from "../../src/auth/keys.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import type { SimulatedOllama, SimulatedOllamaOptions } from "../../src/sim/ollama/server.ts";
import type { FleetView, HostView } from "../../src/wire/fleet-view.ts";
import { plainEnv } from "./plain-env.ts";

const HIVE = new URL("../../src/cli/hive.js", import.meta.url).pathname;
const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 25;
/** A look that takes longer than this was held up by the machine. */
const LOOK_COUNTS_MS = 100;

export interface RunningProcess {
  readonly child: ChildProcess;
  readonly lines: string[];
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface FleetHost {
  readonly id: string;
  readonly ollama: SimulatedOllama;
  readonly agent: RunningProcess;
}

/** What an invite binds a host to. */
interface Bound {
  readonly pool?: string;
  readonly region?: string;
  /** Puts something between edge and agent, whose port it is told; answers the address that the edge is to call. */
  readonly through?: (agentPort: number) => Promise<string>;
  /** More flags for `hive agent`. */
  readonly flags?: readonly string[];
}

export interface TestFleet {
  readonly url: string;
  readonly token: string;
  readonly adminToken: string;
  readonly stateDir: string;
  readonly hosts: FleetHost[];
  readonly edge: RunningProcess;
  clientToken(claims?: Partial<ClientTokenRequest>): Promise<string>;
  addHost(id: string, ollama: SimulatedOllamaOptions, slots?: number, part?: Bound): Promise<FleetHost>;
  /** Starts an agent beside an Ollama that runs already, and waits until the fleet has heard it. */
  joinHost(id: string, ollamaUrl: string, slots?: number, part?: Bound): Promise<RunningProcess>;
  readFleet(): Promise<FleetView>;
  host(id: string): Promise<HostView>;
  close(): Promise<void>;
}

/** Starts a command of the CLI and resolves when a line of it contains `ready`; rejects with its output when it ends first. */
export async function startHive(
  args: readonly string[],
  ready: string,
  env: Record<string, string> = {},
): Promise<RunningProcess> {
  const child = spawn(process.execPath, [HIVE, ...args], {
    env: plainEnv(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return await exited;
  };
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no "${ready}" from hive ${args.join(" ")}:\n${lines.join("\n")}`)),
      READY_WITHIN_MS,
    );
    const read = (line: string) => {
      if (line !== "") lines.push(line);
      if (!line.includes(ready)) return;
      clearTimeout(timer);
      resolve();
    };
    createInterface({ input: child.stdout }).on("line", read);
    createInterface({ input: child.stderr }).on("line", read);
    // Not `exit`: its last words may still be in the pipe.
    child.once("close", (code) => {
      clearTimeout(timer);
      reject(new Error(`hive ${args.join(" ")} ended with ${code}:\n${lines.join("\n")}`));
    });
  });
  return { child, lines, stop };
}

/** A port nobody listens on right now. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

/**
 * Waits until the condition holds, asking again every 25 ms; fails with what it was about. Time in which this process or what
 * it asks was held up counts little: on a machine that is busy with other things the wait is as long in looks, not in seconds.
 */
export async function eventually(
  about: string,
  holds: () => Promise<boolean> | boolean,
  withinMs = 10_000,
): Promise<void> {
  let leftMs = withinMs;
  let lookedAt = performance.now();
  while (!(await holds())) {
    if (leftMs <= 0) throw new Error(`not within ${withinMs} ms: ${about}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = performance.now();
    leftMs -= Math.min(now - lookedAt, LOOK_COUNTS_MS);
    lookedAt = now;
  }
}

/** Starts the edge alone; hosts are added with `addHost`. */
export async function startFleet(env: Record<string, string> = {}): Promise<TestFleet> {
  const stateDir = await mkdtemp(join(tmpdir(), "hive-e2e-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const edge = await startHive(["serve", "--port", String(port), "--state", stateDir], "hive: ready", {
    HEARTBEAT_INTERVAL: "500ms",
    // The default would take a busy machine for a dead host.
    TIMEOUT: "2s",
    ...env,
  });
  const keys = await readKeys(stateDir);
  const clientToken = async (claims: Partial<ClientTokenRequest> = {}) =>
    await issueClientToken(keys, { issuer: "hive", now: Date.now(), sub: "tester", ...claims });
  const adminToken = await issueAdminToken(keys, { issuer: "hive", now: Date.now(), sub: "operator" });
  const readFleet = async () => {
    const response = await fetch(`${url}/hive/v1/fleet`, { headers: { authorization: `Bearer ${adminToken}` } });
    return (await response.json()) as FleetView;
  };
  const hosts: FleetHost[] = [];
  const agents: RunningProcess[] = [];
  const fleet: TestFleet = {
    url,
    stateDir,
    adminToken,
    token: await clientToken(),
    hosts,
    edge,
    clientToken,
    readFleet,
    host: async (id) => {
      const found = (await readFleet()).hosts.find((host) => host.id === id);
      if (found === undefined) throw new Error(`no host ${id}`);
      return found;
    },
    addHost: async (id, options, slots = 2, part = {}) => {
      const ollama = await startSimulatedOllama(options);
      const host = { id, ollama, agent: await fleet.joinHost(id, ollama.url, slots, part) };
      hosts.push(host);
      return host;
    },
    joinHost: async (id, ollamaUrl, slots = 2, part = {}) => {
      const agentPort = await freePort();
      const { through, flags = [], ...bound } = part;
      const hostUrl = (await through?.(agentPort)) ?? `http://127.0.0.1:${agentPort}`;
      const invitation = { hostId: id, url: hostUrl, pool: "default", region: "any", ...bound };
      const join = await issueJoinToken(keys, invitation, { issuer: "hive", now: Date.now() });
      const agent = await startHive(
        [
          "agent",
          "--edge",
          url,
          "--join",
          join,
          "--ollama",
          ollamaUrl,
          "--listen",
          `127.0.0.1:${agentPort}`,
          "--state",
          `${stateDir}/agents/${id}`,
          "--slots",
          String(slots),
          ...flags,
        ],
        "agent: ready",
      );
      agents.push(agent);
      // Suspect is one that comes back while what it has failed at is remembered.
      await eventually(`host ${id} is heard`, async () =>
        (await readFleet()).hosts.some(({ id: seen, status }) => seen === id && /^(?:alive|suspect)$/.test(status)),
      );
      return agent;
    },
    close: async () => {
      await Promise.all(agents.map((agent) => agent.stop("SIGKILL")));
      await edge.stop();
      await Promise.all(hosts.map((host) => host.ollama.close()));
      await rm(stateDir, { recursive: true, force: true });
    },
  };
  return fleet;
}

/** The private keys of a fleet. */
export async function readKeys(stateDir: string): Promise<HiveKeys> {
  const keys = await importHiveKeys(await readFile(join(stateDir, "keys.json"), "utf8"));
  if (!keys.ok) throw new Error(keys.error);
  return keys.value;
}
