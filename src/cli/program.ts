// The command line: one file per noun, one line per failure.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import * as z from "zod";
import { addAgent } from "./agent.ts";
import { addDoctor } from "./doctor.ts";
import { addFleet } from "./fleet.ts";
import { forgetEmptyVariables } from "./flags.ts";
import { addHost } from "./host.ts";
import { addInit } from "./init.ts";
import { addProxy } from "./proxy.ts";
import { addScaler } from "./scaler.ts";
import { addModel } from "./model.ts";
import { addServe } from "./serve.ts";
import { addSimulate } from "./simulate.ts";
import { CliError, say } from "./terminal.ts";
import { addToken } from "./token.ts";
import { addUp } from "./up.ts";
import { addUsage } from "./usage.ts";

// The package's own, beside which every command runs.
const { version: VERSION } = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")));

/** In the order in which help lists them. */
const COMMANDS = [
  addUp,
  addInit,
  addServe,
  addToken,
  addHost,
  addAgent,
  addFleet,
  addModel,
  addDoctor,
  addUsage,
  addProxy,
  addSimulate,
  addScaler,
];

/** Runs one command line and sets the exit code: 0 done, 1 failed, 2 wrongly called. */
export async function main(argv: readonly string[]): Promise<void> {
  forgetEmptyVariables(process.env);
  try {
    await buildProgram().parseAsync([...argv]);
    // A command that is done is done: nothing it forgot may keep the process.
    process.exitCode = 0;
  } catch (error) {
    process.exitCode = report(error);
  }
  process.exit();
}

/** All commands with their flags. */
export function buildProgram(): Command {
  const program = new Command("hive")
    .description("One Ollama out of many.")
    .version(VERSION, "--version", "print the version");
  // Before any command is added, for commands inherit these.
  program
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ showGlobalOptions: false });
  for (const add of COMMANDS) add(program);
  return program;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // commander.help: the usage is on the screen already.
    if (error.code !== "commander.help") say(`hive: ${oneLine(error.message.replace(/^error: /, ""))}`);
    return 2;
  }
  if (error instanceof CliError) {
    say(`hive: ${oneLine(error.message)}`);
    return error.exitCode;
  }
  say(`hive: ${oneLine(messageOf(error))}`);
  return 1;
}

function messageOf(error: unknown): string {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    return `${issue?.path.join(".") ?? "value"}: ${issue?.message ?? "not as expected"}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}
