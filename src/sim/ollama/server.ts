// A simulated Ollama: on the wire it behaves as one, and tests can look into it and break it.
import type { AddressInfo, Server } from "node:net";
import { createServer } from "node:http";
import type { Fault } from "./faults.ts";
import type { GaugeReadings } from "./gauges.ts";
import type { Host } from "./host.ts";
import type { ReceivedRequest } from "./journal.ts";
import type { SimulatedModel } from "./machine/model.ts";
import { Faults } from "./faults.ts";
import { Gauges } from "./gauges.ts";
import { Journal } from "./journal.ts";
import { DEFAULT_KEEP_ALIVE_MS } from "./api/native-values.ts";
import { handleRequest } from "./router.ts";
import { Scheduler } from "./machine/scheduler.ts";
import { ModelStore } from "./machine/store.ts";

export type SimulatedOllamaOptions = {
  /** 0 or nothing: any free one. */
  readonly port?: number;
  readonly hostname?: string;
  /** As /api/version says it. */
  readonly version?: string;
  readonly models: readonly SimulatedModel[];
  /** OLLAMA_NUM_PARALLEL: requests that one model serves at once. */
  readonly slots?: number;
  readonly maxLoadedModels?: number;
  /** OLLAMA_MAX_QUEUE: requests that may wait for a load before 503. */
  readonly maxQueue?: number;
  /** Context of a model that nobody asked a length for. */
  readonly defaultContextLength?: number;
  /** OLLAMA_KEEP_ALIVE. */
  readonly keepAliveMs?: number;
  /** Old prompts kept in host memory, in tokens. */
  readonly hostCacheTokens?: number;
  /** From an unload until the memory is free. */
  readonly unloadMs?: number;
  /** Models that /api/pull finds. */
  readonly registry?: readonly SimulatedModel[];
  readonly pullBytesPerSecond?: number;
  /** Most requests kept in `requests`; 0 keeps none and saves the time. */
  readonly keepRequests?: number;
};

export type SimulatedOllama = {
  readonly url: string;
  readonly port: number;
  /** All that came in, oldest first. */
  readonly requests: readonly ReceivedRequest[];
  readonly gauges: () => GaugeReadings;
  /** Arms a fault; resolves when it is in force. */
  readonly setFault: (fault: Fault) => Promise<void>;
  readonly clearFaults: () => Promise<void>;
  /** The models on disk now. */
  readonly models: () => readonly SimulatedModel[];
  /** Stops listening, ends every connection, unloads everything. */
  readonly close: () => Promise<void>;
};

/** Starts a simulated Ollama and waits until it listens. */
export async function startSimulatedOllama(options: SimulatedOllamaOptions): Promise<SimulatedOllama> {
  const given = { ...DEFAULTS, ...options };
  const gauges = new Gauges();
  const journal = new Journal(given.keepRequests);
  const host: Host = {
    version: given.version,
    onLoopback: given.hostname === "localhost" || given.hostname === "::1" || given.hostname.startsWith("127."),
    store: new ModelStore(given.models),
    scheduler: new Scheduler(given, gauges),
    faults: new Faults(),
    gauges,
    registry: given.registry,
    pullBytesPerSecond: given.pullBytesPerSecond,
  };
  // Go's server has none of Node's time limits and takes headers of a megabyte.
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, maxHeaderSize: 1 << 20 });
  server.on("request", (request, response) => {
    handleRequest(host, journal, request, response).catch((error: unknown) => {
      // As gin recovers from a panic: the server lives, the request fails, and the log says why.
      process.emitWarning(error instanceof Error ? error : String(error));
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });

  await listen(server, given.hostname, given.port);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${given.hostname}:${port}`,
    port,
    requests: journal.requests,
    gauges: () => gauges.read(),
    setFault: async (fault) => {
      host.faults.set(fault);
      if (fault.kind === "refuse") await stop(server);
    },
    clearFaults: async () => {
      host.faults.clear();
      if (!server.listening) await listen(server, given.hostname, port);
    },
    models: () => host.store.list(),
    close: async () => {
      await stop(server);
      host.scheduler.close();
    },
  };
}

const DEFAULTS = {
  port: 0,
  hostname: "127.0.0.1",
  version: "0.33.0",
  slots: 1,
  maxLoadedModels: 3,
  maxQueue: 512,
  defaultContextLength: 4096,
  keepAliveMs: DEFAULT_KEEP_ALIVE_MS,
  // 8 GiB at 128 KiB a token.
  hostCacheTokens: 65_536,
  unloadMs: 0,
  registry: [],
  pullBytesPerSecond: Number.POSITIVE_INFINITY,
  keepRequests: 10_000,
};

async function listen(server: Server, hostname: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function stop(server: ReturnType<typeof createServer>): Promise<void> {
  if (!server.listening) return;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
