// `hive agent`: the process beside an Ollama.
import { resolve } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import {
  durationFlag,
  readListen,
  readOllamaUrl,
  readSize,
  readSlots,
  readWait,
  STATE_FLAG,
  URL_FLAG,
} from "./flags.ts";
import { runUntilStopped } from "./stop.ts";
import { CliError, say } from "./terminal.ts";
import { lockState } from "../selfhost/state-lock.ts";
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
    .addOption(URL_FLAG)
    // Other users of the machine read arguments, not the environment.
    .addOption(new Option("--join <token>", "join token of hive host invite").env("HIVE_JOIN"))
    .option("--ollama <url>", "the Ollama beside it", readOllamaUrl, "http://127.0.0.1:11434")
    .addOption(
      new Option("--listen <address:port>", "where the tunnel ends")
        .argParser(readListen)
        .default({ hostname: "127.0.0.1", port: 11435 }, "127.0.0.1:11435"),
    )
    .option("--slots <n>", "most requests at once (default: OLLAMA_NUM_PARALLEL, else 1)", readSlots)
    .option("--memory <size>", "GPU memory, e.g. 24GiB (default: asked of the machine)", readSize)
    .option("--models <dir>", "Ollama's model folder, so that models can come from other hosts of the site")
    .option("--share <address:port>", "let other hosts fetch models here (with --models)", readListen)
    .addOption(
      durationFlag("--drain <duration>", "longest wait for running requests when asked to end", 30_000, readWait),
    )
    .addOption(STATE_FLAG)
    .action(run);
}

async function run(flags: AgentFlags): Promise<void> {
  // Loaded here alone: other commands need none of it.
  const { startAgent } = await import("../agent/agent.ts");
  const stateDir = resolve(flags.state);
  // Two agents with one identity would take each other's requests away.
  const lock = await lockState(stateDir, "agent");
  if (lock === undefined) throw new CliError(`another agent runs on ${stateDir}; choose another with --state DIR`);
  const agent = await startAgent({
    edgeUrl: flags.edge,
    ollamaUrl: flags.ollama,
    listen: flags.listen,
    stateDir,
    ...(flags.join === undefined ? {} : { joinToken: flags.join }),
    ...(flags.models === undefined ? {} : { modelsDir: resolve(flags.models) }),
    ...(flags.share === undefined ? {} : { share: flags.share }),
    ...(flags.memory === undefined ? {} : { memoryBytes: flags.memory }),
    ...(flags.slots === undefined ? {} : { slots: flags.slots }),
    log: (line) => say(`agent: ${logLine(line)}`),
  });
  const close = async (): Promise<void> => {
    await agent.drain(flags.drain);
    await agent.close();
    lock.release();
  };
  await runUntilStopped({ close, kill: () => undefined }, async () => say(`agent: ready ${agent.hostId}`));
}
