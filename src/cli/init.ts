// `hive init`: makes the keys, and with --deploy hands them to the Worker.
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Command } from "commander";
import { PROJECT_DIR } from "../selfhost/project.ts";
import { STATE_FLAG } from "./flags.ts";
import { ensureKeys, keysPath } from "./state.ts";
import { CliError, say } from "./terminal.ts";

export function addInit(program: Command): void {
  program
    .command("init")
    .description("make the keys, once")
    .option(...STATE_FLAG)
    .option("--deploy", "store them as the Worker's secret HIVE_KEYS, through wrangler")
    .action(async (options: { state: string; deploy?: boolean }) => {
      const { text, isNew } = await ensureKeys(options.state);
      say(`hive: ${isNew ? "made new keys in" : "kept the keys in"} ${keysPath(options.state)}`);
      if (options.deploy === true) await storeSecret(text);
    });
}

/** Pipes the keys into wrangler: on a command line or in a file they could be read by others. */
async function storeSecret(text: string): Promise<void> {
  const wrangler = join(PROJECT_DIR, "node_modules", "wrangler", "bin", "wrangler.js");
  const child = spawn(process.execPath, [wrangler, "secret", "put", "HIVE_KEYS"], {
    cwd: PROJECT_DIR,
    // wrangler's talk is not data.
    stdio: ["pipe", process.stderr, process.stderr],
  });
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(text);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new CliError("wrangler did not store HIVE_KEYS; its words are above");
  say("hive: stored HIVE_KEYS; next: npx wrangler deploy");
}
