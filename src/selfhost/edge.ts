// The edge on this machine: configuration, build, workerd, and the proof that it answers.
import { basename, dirname, join, resolve } from "node:path";
import type { Result } from "../wire/result.ts";
import type { Settings } from "../wire/settings.ts";
import { buildWorker } from "./build.ts";
import type { EdgeConfig } from "./config.ts";
import { readEdgeConfig } from "./config.ts";
import { ensureFolder, writeWhole } from "./files.ts";
import { PROJECT_DIR } from "./project.ts";
import { lockState } from "./state-lock.ts";
import type { WorkerdProcess } from "./workerd.ts";
import { startWorkerd } from "./workerd.ts";
import { workerdConfig } from "./workerd-config.ts";

export interface EdgeOptions {
  readonly stateDir: string;
  /** Address to listen on, e.g. 127.0.0.1. */
  readonly hostname: string;
  /** 0 is any free one. */
  readonly port: number;
  /** The private keys as JSON text. */
  readonly keys: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What workerd writes, line by line. */
  readonly log: (line: string) => void;
  /** Where wrangler.toml lies; this checkout unless told. */
  readonly projectDir?: string;
}

export interface Edge extends WorkerdProcess {
  readonly url: string;
  readonly settings: Settings;
}

// The first answer compiles the bundle; more than this means the Worker hangs.
const HEALTH_TIMEOUT_MS = 15_000;

/** Starts the edge and resolves when it answers its health check; the error is one line. */
export async function startEdge(options: EdgeOptions): Promise<Result<Edge, string>> {
  const stateDir = resolve(options.stateDir);
  const projectDir = options.projectDir ?? PROJECT_DIR;
  const config = await readEdgeConfig({ projectDir, stateDir, env: options.env });
  if (!config.ok) return config;
  const lock = await lockState(stateDir, "edge");
  if (lock === undefined)
    return { ok: false, error: `another hive runs on ${stateDir}; choose another with --state DIR` };
  const started = await startOn(config.value, { ...options, stateDir, projectDir });
  if (!started.ok) {
    lock.release();
    return started;
  }
  const edge = started.value;
  const close = async (): Promise<void> => {
    await edge.close();
    lock.release();
  };
  return { ok: true, value: { ...edge, settings: config.value.settings, close } };
}

type Prepared = EdgeOptions & { readonly projectDir: string };

async function startOn(
  config: EdgeConfig,
  options: Prepared,
): Promise<Result<WorkerdProcess & { url: string }, string>> {
  const bundle = await buildWorker(config.main, options.projectDir, options.stateDir);
  if (!bundle.ok) return bundle;
  const cellsDir = join(options.stateDir, "cells");
  await ensureFolder(cellsDir);
  const hostname = options.hostname.replace(/^\[(.*)\]$/, "$1");
  const address = hostname.includes(":") ? `[${hostname}]` : hostname;
  const configPath = join(dirname(bundle.value), "workerd.capnp");
  const listen = `${address}:${String(options.port)}`;
  await writeWhole(configPath, workerdConfig(config, { listen, moduleName: basename(bundle.value), cellsDir }));

  const workerd = await startWorkerd({ configPath, keys: options.keys, log: options.log });
  if (!workerd.ok) return { ok: false, error: startError(workerd.error, options, cellsDir) };
  const url = `http://${reachable(address)}:${String(workerd.value.port)}`;
  const healthy = await checkHealth(url, workerd.value.died);
  if (healthy.ok) return { ok: true, value: { ...workerd.value, url } };
  await workerd.value.close();
  return healthy;
}

/** What workerd says, in words of who started it; its own where there are none. */
function startError(error: string, { hostname, port }: EdgeOptions, cellsDir: string): string {
  if (error === "in use") return `port ${String(port)} is in use; choose another with --port N`;
  if (/bind\(\): permission denied/i.test(error))
    return `this user may not listen on port ${String(port)}; choose another with --port N`;
  if (/bind\(\): cannot assign/i.test(error)) return `${hostname} is no address of this machine (--bind)`;
  if (/DNS lookup failed/i.test(error)) return `${hostname} is no address (--bind)`;
  const damage = /SQLITE_[A-Z]+/.exec(error)?.[0];
  if (damage === undefined) return error;
  return `the data in ${cellsDir} cannot be used (${damage}); restore it, or remove it: hosts then join anew, and revocations are forgotten`;
}

/** An address to call: "every interface" is one to listen on only. */
function reachable(address: string): string {
  if (address === "0.0.0.0" || address === "*") return "127.0.0.1";
  return address === "[::]" ? "[::1]" : address;
}

async function checkHealth(url: string, died: Promise<string>): Promise<Result<true, string>> {
  const asked = fetch(`${url}/hive/healthz`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) }).then(
    async (answer): Promise<string | undefined> => {
      await answer.body?.cancel();
      return answer.ok ? undefined : `the edge answers its health check with ${String(answer.status)}`;
    },
    () => "the edge does not answer its health check",
  );
  const error = await Promise.race([asked, died]);
  return error === undefined ? { ok: true, value: true } : { ok: false, error };
}
