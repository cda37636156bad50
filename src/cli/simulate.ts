// `hive simulate`: the command line of the routing simulator.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { readCount } from "./flags.ts";

export interface SimulateOptions {
  readonly trace?: string;
  readonly scenario?: string;
  readonly policy?: readonly string[];
  readonly fleet: string;
  readonly parallel: number;
  readonly context: number;
  readonly keep: number;
  readonly seed: number;
  readonly html?: string;
  readonly decisions?: string;
  readonly json?: boolean;
}

export function addSimulate(program: Command): void {
  program
    .command("simulate")
    .description("what policies would have done: a workload run against simulated hosts in virtual time")
    .option("--trace <file>", "recorded workload: Mooncake (.jsonl) or Azure LLM inference (.csv)")
    .option("--scenario <name>", "a scenario of the benchmark instead: A to F or N1 (generated workloads)")
    .option("--policy <name>", "policy to run; may be given more than once; `list` names them all", collect)
    .option("--fleet <name>", "hosts under a trace: hetero9, homogeneous8, weak6, single, pair or four", "hetero9")
    .option("--parallel <n>", "OLLAMA_NUM_PARALLEL of each host under a trace", readCount, 2)
    .option("--context <tokens>", "num_ctx of all requests of a trace; longer ones are left out", readCount, 32_768)
    .option("--keep <part>", "part of a trace's sessions to run, 0 to 1", readPart, 0.3)
    .option("--seed <n>", "chooses sessions and every chance", readCount, 1)
    .option("--html <file>", "write a page with the curves, and run a load sweep for it")
    .option("--decisions <file>", "write why each request went where, a JSON object a line (our own policies)")
    .option("--json", "as JSON")
    .action(async (options: SimulateOptions) => {
      // Loaded here alone: no other command needs the simulator.
      const { runSimulation } = await import("./simulate-run.ts");
      await runSimulation(options);
    });
}

function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

function readPart(text: string): number {
  const part = Number(text);
  if (text.trim() === "" || !(part > 0 && part <= 1))
    throw new InvalidArgumentError("expected a number above 0, at most 1");
  return part;
}
