// Which Ollama servers `hive up` puts behind the edge: the named ones, the ones found, or simulated ones.
import { demoEmbedder, demoModel } from "../sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../sim/ollama/server.ts";
import { readOllamaUrl } from "./flags.ts";
import { CliError, say } from "./terminal.ts";

export interface Backend {
  /** What stays the same from start to start: the URL of a real server, `simulated-N` of a simulated one. */
  readonly key: string;
  readonly url: string;
  readonly slots?: number;
  /** Ends what was started for it. */
  close(): Promise<void>;
}

export interface BackendWish {
  /** From --ollama; each must answer. */
  readonly ollama?: readonly string[];
  /** From --simulate. */
  readonly simulate?: number;
}

const PROBE_TIMEOUT_MS = 3_000;
const SIMULATED_COUNT = 2;
const SIMULATED_SLOTS = 4;
const DEFAULT_OLLAMA = "http://127.0.0.1:11434";

/** Finds or starts the servers; fails in one line when one named by --ollama does not answer. */
export async function openBackends(
  wish: BackendWish,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly Backend[]> {
  const named = [...new Set(wish.ollama ?? [])];
  const silent = await silentOf(named);
  if (silent[0] !== undefined) throw new CliError(`no Ollama answers at ${silent[0]} (--ollama)`);
  if (named.length > 0 || wish.simulate !== undefined) {
    return [...named.map(realBackend), ...(await simulate(wish.simulate ?? 0))];
  }
  return findBackends(candidatesOf(env));
}

async function findBackends(candidates: readonly string[]): Promise<readonly Backend[]> {
  const silent = await silentOf(candidates);
  const found = candidates.filter((url) => !silent.includes(url));
  if (found.length > 0) {
    for (const url of silent) say(`hive: no Ollama answers at ${url}; going on without it`);
    return found.map(realBackend);
  }
  say(
    `hive: no Ollama at ${silent.join(", ")}; starting ${String(SIMULATED_COUNT)} SIMULATED hosts (models hive-demo, canned text, and hive-demo-embed)`,
  );
  return simulate(SIMULATED_COUNT);
}

/** Servers that the environment names, in Ollama's own spelling. */
export function candidatesOf(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const variable = ["OLLAMA_HOSTS", "OLLAMA_HOST"].find((name) => (env[name] ?? "").trim() !== "");
  if (variable === undefined) return [DEFAULT_OLLAMA];
  const texts = (env[variable] ?? "").split(",").filter((text) => text.trim() !== "");
  try {
    return [...new Set(texts.map(readOllamaUrl))];
  } catch {
    throw new CliError(`${variable}: expected the URL of an Ollama such as ${DEFAULT_OLLAMA}`);
  }
}

async function silentOf(urls: readonly string[]): Promise<readonly string[]> {
  const answers = await Promise.all(urls.map(doesAnswer));
  return urls.filter((_, index) => answers[index] !== true);
}

async function doesAnswer(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/api/version`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function realBackend(url: string): Backend {
  return { key: url, url, close: async () => undefined };
}

async function simulate(count: number): Promise<readonly Backend[]> {
  const backends: Backend[] = [];
  for (let number = 1; number <= count; number += 1) {
    const simulated = await startSimulatedOllama({
      models: [demoModel, demoEmbedder],
      slots: SIMULATED_SLOTS,
      keepRequests: 0,
    });
    const { url, close } = simulated;
    backends.push({ key: `simulated-${String(number)}`, url, slots: SIMULATED_SLOTS, close });
  }
  return backends;
}
