// `hive token issue --ollama-key`: registers the key with which an `ollama` command line signs its requests (OLLAMA_AUTH=1).
import { readFile } from "node:fs/promises";
import { readPublicKeyText } from "../auth/ollama-key.ts";
import { formatDuration } from "../wire/duration.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { callEdge } from "./edge-client.ts";
import { CliError, print, say } from "./terminal.ts";

/** Registers the key at the edge with what it may do, and prints the id by which it is revoked. */
export async function registerOllamaKey(
  target: EdgeTarget,
  fileOrKey: string,
  wanted: { readonly expiresMs: number; readonly claims: object },
): Promise<void> {
  const key = readPublicKeyText(await textOf(fileOrKey));
  if (!key.ok) throw new CliError(`--ollama-key: ${key.error}`, 2);
  const { claims, expiresMs } = wanted;
  const wish = { role: "client", ...claims, ollamaKey: key.value, expires: formatDuration(expiresMs) };
  const { id } = (await callEdge(target, "POST", "/tokens", wish)) as { id: string };
  say(`hive: the key is registered; on its machine: OLLAMA_AUTH=1 OLLAMA_HOST=${target.edge} ollama ls`);
  print(id);
}

/** A key's text itself, or that of the file it names. */
async function textOf(fileOrKey: string): Promise<string> {
  if (readPublicKeyText(fileOrKey).ok) return fileOrKey;
  try {
    return await readFile(fileOrKey, "utf8");
  } catch {
    throw new CliError(
      `--ollama-key: ${JSON.stringify(fileOrKey)} is neither a public key nor a file that can be read`,
      2,
    );
  }
}
