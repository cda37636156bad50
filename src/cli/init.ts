// `hive init`: makes the keys, and with --deploy hands them to the Worker.
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { hiveKeysSchema, importHiveKeys, PURPOSES, retireKeys, rotateKey } from "../auth/keys.ts";
import type { Purpose } from "../auth/keys.ts";
import { writeWhole } from "../selfhost/files.ts";
import { PROJECT_DIR } from "../selfhost/project.ts";
import { STATE_FLAG } from "./flags.ts";
import { ensureKeys, keysPath, readIssuer } from "./state.ts";
import { CliError, say, valueOf } from "./terminal.ts";

export function addInit(program: Command): void {
  program
    .command("init")
    .description("make the keys, once")
    .addOption(STATE_FLAG)
    .addOption(new Option("--rotate <purpose>", "a new key; the old one's tokens stay good").choices(PURPOSES))
    .addOption(new Option("--retire <purpose>", "drop the keys that were replaced").choices(PURPOSES))
    .option("--deploy", "store them as the Worker's secret HIVE_KEYS, through wrangler")
    .action(init);
}

interface InitOptions {
  readonly state: string;
  readonly deploy?: boolean;
  readonly rotate?: Purpose;
  readonly retire?: Purpose;
}

async function init({ state, deploy, rotate, retire }: InitOptions): Promise<void> {
  // Before the Worker gets its keys: it would answer nothing but 500 to a variable that it cannot use.
  if (deploy === true) await readIssuer(state);
  const { text, isNew } = await ensureKeys(state);
  const changed = await changeKeys(text, rotate, retire);
  if (changed !== text) await writeWhole(keysPath(state), changed);
  say(`hive: ${isNew ? "made new keys in" : "kept the keys in"} ${keysPath(state)}`);
  if (rotate !== undefined) say(`hive: a new ${rotate} key signs from now on; restart or deploy the edge`);
  if (retire !== undefined) say(`hive: replaced ${retire} keys are dropped; what they signed is worth nothing`);
  if (deploy === true) await storeSecret(changed);
}

async function changeKeys(text: string, rotate: Purpose | undefined, retire: Purpose | undefined): Promise<string> {
  let set = hiveKeysSchema.parse(JSON.parse(text));
  if (rotate !== undefined) set = await rotateKey(set, rotate, Date.now());
  if (retire !== undefined) set = retireKeys(set, retire);
  const changed = rotate === undefined && retire === undefined ? text : JSON.stringify(set);
  valueOf(await importHiveKeys(changed));
  return changed;
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
