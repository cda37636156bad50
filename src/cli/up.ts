// `hive up`: the command line of the whole Hive on this machine.
import type { Command } from "commander";
import { collectOllama, readCount, readPort, STATE_FLAG } from "./flags.ts";

export interface UpOptions {
  readonly port: number;
  readonly state: string;
  readonly ollama?: readonly string[];
  readonly simulate?: number;
}

export function addUp(program: Command): void {
  program
    .command("up")
    .description("everything on this machine: the edge, and an agent for each Ollama (npm start)")
    .option("--port <port>", "port to listen on", readPort, 8787)
    .addOption(STATE_FLAG)
    .option("--ollama <url>", "an Ollama; may be given more than once", collectOllama)
    .option("--simulate <n>", "start N simulated hosts", readCount)
    .action(async (options: UpOptions) => {
      // Loaded here alone: agent and simulator are most of the program, and other commands need neither.
      const { runAll } = await import("./up-all.ts");
      await runAll(options);
    });
}
