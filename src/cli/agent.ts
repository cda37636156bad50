// `hive agent`: the process beside an Ollama.
import { resolve } from "node:path";
import type { Command } from "commander";
import {
  EDGE_DEFAULT,
  readCount,
  readListen,
  readOllamaUrl,
  readSize,
  readUrl,
  readWait,
  STATE_FLAG,
} from "./flags.ts";
import { runUntilStopped } from "./stop.ts";
import { say } from "./terminal.ts";
import { logLine } from "../wire/log-line.ts";

interface AgentFlags {
  readonly edge: string;
  readonly join?: string;
  readonly ollama: string;
  readonly listen: { readonly hostname: string; readonly port: number };
  readonly slots?: number;
  readonly memory?: number;
  readonly models?: string;
  readonly share?: { readonly hostname: string; readonly port: number };
  readonly drain: number;
  readonly state: string;
}

export function addAgent(program: Command): void {
  program
    .command("agent")
    .description("run the agent beside an Ollama; after the first join it needs no token")
    .option("--edge <url>", "address of the edge (HIVE_URL)", readUrl, EDGE_DEFAULT)
    .option("--join <token>", "join token of hive host invite")
    .option("--ollama <url>", "the Ollama beside it", readOllamaUrl, "http://127.0.0.1:11434")
    .option("--listen <address:port>", "where the tunnel ends", readListen, { hostname: "127.0.0.1", port: 11435 })
    .option("--slots <n>", "most requests at once", readCount)
    .option("--memory <size>", "GPU memory, e.g. 24GiB (default: asked of the machine)", readSize)
    .option("--models <dir>", "Ollama's model folder, so that models can come from other hosts of the site")
    .option("--share <address:port>", "let other hosts fetch models here (with --models)", readListen)
    .option("--drain <duration>", "longest wait for running requests when asked to end", readWait, 30_000)
    .option(...STATE_FLAG)
    .action(run);
}

async function run(flags: AgentFlags): Promise<void> {
  // Loaded here alone: other commands need none of it.
  const { startAgent } = await import("../agent/agent.ts");
  const agent = await startAgent({
    edgeUrl: flags.edge,
    ollamaUrl: flags.ollama,
    listen: flags.listen,
    stateDir: resolve(flags.state),
    ...(flags.join === undefined ? {} : { joinToken: flags.join }),
    ...(flags.models === undefined ? {} : { modelsDir: resolve(flags.models) }),
    ...(flags.share === undefined ? {} : { share: flags.share }),
    ...(flags.memory === undefined ? {} : { memoryBytes: flags.memory }),
    ...(flags.slots === undefined ? {} : { slots: flags.slots }),
    log: (line) => say(`agent: ${logLine(line)}`),
  });
  say(`agent: ready ${agent.hostId}`);
  const close = async (): Promise<void> => {
    await agent.drain(flags.drain);
    await agent.close();
  };
  await runUntilStopped({ close, kill: () => undefined }, new Promise(() => undefined));
}
