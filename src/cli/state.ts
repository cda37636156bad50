// The state folder as commands use it: the private keys and the name of the issuer.
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { HiveKeys } from "../auth/keys.ts";
import { generateHiveKeys, importHiveKeys } from "../auth/keys.ts";
import { readEdgeConfig } from "../selfhost/config.ts";
import { readIfThere, writeWhole } from "../selfhost/files.ts";
import { PROJECT_DIR } from "../selfhost/project.ts";
import { CliError, valueOf } from "./terminal.ts";

export interface StoredKeys {
  readonly text: string;
  readonly keys: HiveKeys;
  /** True when this call made them. */
  readonly isNew: boolean;
}

export function keysPath(stateDir: string): string {
  return join(resolve(stateDir), "keys.json");
}

/** The keys of the folder, or undefined when it has none; refuses keys that other users of the machine can read. */
export async function readKeys(stateDir: string): Promise<StoredKeys | undefined> {
  const path = keysPath(stateDir);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  const { mode } = await stat(path);
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new CliError(`${path} can be read by others; run chmod 600 on it`);
  }
  const imported = await importHiveKeys(text);
  if (!imported.ok) throw new CliError(`${path}: ${imported.error}`);
  return { text, keys: imported.value, isNew: false };
}

/** The keys of the folder, made on the first call. */
export async function ensureKeys(stateDir: string): Promise<StoredKeys> {
  const stored = await readKeys(stateDir);
  if (stored !== undefined) return stored;
  const text = JSON.stringify(await generateHiveKeys(Date.now()));
  await writeWhole(keysPath(stateDir), text);
  return { text, keys: valueOf(await importHiveKeys(text)), isNew: true };
}

/** The keys of the folder; without them a command cannot go on. */
export async function requireKeys(stateDir: string): Promise<HiveKeys> {
  const stored = await readKeys(stateDir);
  if (stored === undefined) throw new CliError(`no keys in ${keysPath(stateDir)}; run hive init`);
  return stored.keys;
}

/** The issuer that tokens of this Hive carry. */
export async function readIssuer(stateDir: string): Promise<string> {
  const config = await readEdgeConfig({ projectDir: PROJECT_DIR, stateDir: resolve(stateDir), env: process.env });
  return valueOf(config).settings.HIVE_ISSUER;
}
