// What all cases share: one edge with three hosts, and one more host that is asked directly. With HIVE_TEST_OLLAMA the host
// behind Hive and the one asked directly are that Ollama.
import * as z from "zod";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { SimulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../src/sim/ollama/server.ts";
import type { SimulatedOllama } from "../../src/sim/ollama/server.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";
import { observe, send } from "./exchange.ts";
import type { Exchange, Observed } from "./exchange.ts";

export const REAL_OLLAMA = process.env["HIVE_TEST_OLLAMA"];

export interface ModelNames {
  /** Generates text; it may have tools. */
  readonly chat: string;
  readonly embed: string | undefined;
  readonly thinking: string | undefined;
  readonly vision: string | undefined;
}

export interface World {
  readonly fleet: TestFleet;
  readonly directUrl: string;
  readonly models: ModelNames;
  /** Sends with a client's token, or with the one given; "" is none. */
  readonly send: (exchange: Exchange, token?: string) => Promise<Response>;
  readonly token: string;
  readonly issue: TestFleet["clientToken"];
  readonly manageToken: string;
  /** A token whose pool has no host. */
  readonly hostlessToken: string;
  /** The simulated Ollama of a host. */
  readonly ollama: (id: string) => SimulatedOllama;
  /** What an edge without any host answered, by path. */
  readonly beforeHosts: ReadonlyMap<string, Observed>;
  /** An answer that takes its time: silence before the first token and between tokens. Simulated hosts only. */
  readonly silent: Promise<Observed> | undefined;
  readonly close: () => Promise<void>;
}

/** Tokens a second of `slow`: fast enough to test, slow enough to leave in the middle. */
const SLOW_TOKENS_PER_SECOND = 20;
/** Four times KEEP_ALIVE, before the first token and between two. */
const SILENCE_MS = 4_000;
const LOADS = 1_000;
const DIGESTS = { majority: "a".repeat(64), minority: "b".repeat(64) };

function split(digest: string): SimulatedModel {
  return simulatedModel({ name: "split", digest, capabilities: ["completion", "embedding"] });
}

function commonModels(): SimulatedModel[] {
  return [
    simulatedModel({ name: "llama3.2" }),
    simulatedModel({ name: "thinker", capabilities: ["completion", "tools", "thinking", "insert"] }),
    simulatedModel({ name: "seer", capabilities: ["completion", "vision"] }),
    simulatedModel({ name: "listener", capabilities: ["completion", "audio"] }),
    simulatedModel({ name: "embedder", capabilities: ["embedding"] }),
    simulatedModel({ name: "slow", decodeTokensPerSecond: SLOW_TOKENS_PER_SECOND }),
    simulatedModel({ name: "heavy", loadMs: 5_000 }),
    simulatedModel({ name: "brittle" }),
    simulatedModel({ name: "stoppable" }),
    simulatedModel({ name: "loadable" }),
    simulatedModel({ name: "ctx", loadMs: 300 }),
    simulatedModel({ name: "HF.co/MyUser/Repo:Q4" }),
    simulatedModel({
      name: "silent",
      decodeTokensPerSecond: 1_000 / SILENCE_MS,
    }),
  ];
}

/** What can be pulled. */
const REGISTRY = [simulatedModel({ name: "pullable", sizeBytes: 1_000_000 })];

/** The models that only some of the three hosts have. */
const OWN_MODELS: Readonly<Record<string, readonly SimulatedModel[]>> = {
  a: [split(DIGESTS.minority), simulatedModel({ name: "uneven", capabilities: ["completion"] })],
  b: [split(DIGESTS.majority), simulatedModel({ name: "uneven", capabilities: ["completion", "tools", "vision"] })],
  c: [split(DIGESTS.majority), simulatedModel({ name: "lonely" })],
};

export { DIGESTS };

/** Starts everything; a few seconds. */
export async function startWorld(): Promise<World> {
  const fleet = await startFleet({
    ALLOWED_ORIGINS: "https://app.example",
    KEEP_ALIVE: "1s",
    MAX_BODY: "32MB",
    QUEUE_TIMEOUT: "20s",
    QUEUE_LIMIT: "8",
  });
  const beforeHosts = await lookAtEmptyFleet(fleet);
  const direct = REAL_OLLAMA === undefined ? await startDirect() : undefined;
  const directUrl = direct?.url ?? (REAL_OLLAMA ?? "").replace(/\/+$/, "");
  if (direct === undefined) await fleet.joinHost("real", directUrl, 4);
  else await Promise.all(Object.entries(OWN_MODELS).map(async ([id, own]) => await addHost(fleet, id, own)));
  const models = direct === undefined ? await findModels(directUrl) : simulatedNames();
  // More models are loaded here in a minute than a tenant may load in ten.
  const issue: TestFleet["clientToken"] = async (claims) => await fleet.clientToken({ loads: LOADS, ...claims });
  const clientToken = await issue();
  const byToken = (exchange: Exchange, token: string = clientToken) =>
    send(fleet.url, {
      ...exchange,
      headers: { ...(token === "" ? {} : { authorization: `Bearer ${token}` }), ...exchange.headers },
    });
  const manageToken = await issue({ sub: "manager", scope: ["inference", "manage"], hosts: true });
  return {
    fleet,
    directUrl,
    models,
    send: byToken,
    token: clientToken,
    issue,
    manageToken,
    hostlessToken: await issue({ pool: "nowhere" }),
    ollama: (id) => {
      const found = fleet.hosts.find((host) => host.id === id);
      if (found === undefined) throw new Error(`no host ${id}`);
      return found.ollama;
    },
    beforeHosts,
    silent: direct === undefined ? undefined : keepSilent((exchange) => byToken(exchange, manageToken)),
    close: async () => {
      await fleet.close();
      await direct?.close();
    },
  };
}

async function startDirect(): Promise<SimulatedOllama> {
  return await startSimulatedOllama({
    models: [...commonModels(), ...(OWN_MODELS["c"] ?? [])],
    slots: 4,
    maxLoadedModels: 20,
    registry: REGISTRY,
  });
}

async function addHost(fleet: TestFleet, id: string, own: readonly SimulatedModel[]): Promise<void> {
  const models = [...commonModels(), ...own];
  await fleet.addHost(id, { models, slots: 4, maxLoadedModels: 20, registry: REGISTRY }, 4);
}

/** Begins at once, so that the other cases run meanwhile; on the one host that none of them makes unreachable. */
async function keepSilent(sendTo: World["send"]): Promise<Observed> {
  const messages = [{ role: "user", content: "Say little." }];
  const body = JSON.stringify({ model: "silent", messages, options: { num_predict: 2 } });
  return await observe(await sendTo({ path: "/h/b/api/chat", body }));
}

async function lookAtEmptyFleet(fleet: TestFleet): Promise<Map<string, Observed>> {
  const headers = { authorization: `Bearer ${fleet.token}` };
  const body = JSON.stringify({ model: "llama3.2", messages: [{ role: "user", content: "hi" }] });
  const exchanges: Exchange[] = [
    ...["/", "/api/tags", "/api/ps", "/api/version", "/v1/models"].map((path) => ({ path })),
    { path: "/api/chat", body },
    { path: "/v1/chat/completions", body },
  ];
  // A cell that has just begun would wait for hosts that it knows and has not heard; it knows none.
  await eventually("the edge answers", async () => (await send(fleet.url, { path: "/" })).status === 200);
  const seen = exchanges.map(
    async (exchange) => [exchange.path, await observe(await send(fleet.url, { ...exchange, headers }))] as const,
  );
  return new Map(await Promise.all(seen));
}

function simulatedNames(): ModelNames {
  return { chat: "llama3.2", embed: "embedder", thinking: "thinker", vision: "seer" };
}

const tagsSchema = z.object({
  models: z.array(z.object({ name: z.string(), capabilities: z.array(z.string()).optional() })),
});

/** The first model of each kind that a real Ollama has. */
async function findModels(url: string): Promise<ModelNames> {
  const { models } = tagsSchema.parse(await (await fetch(`${url}/api/tags`)).json());
  const first = (capability: string) => models.find((model) => model.capabilities?.includes(capability))?.name;
  const chat = first("completion") ?? models[0]?.name;
  if (chat === undefined) throw new Error(`${url} has no model: pull one, e.g. ollama pull llama3.2:1b`);
  return { chat, embed: first("embedding"), thinking: first("thinking"), vision: first("vision") };
}
