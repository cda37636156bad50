// What an agent keeps between starts: who it is to which edge (agent.json) and its own keys (agent-keys.json).
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { generateHostKeys, importHostKeys } from "../auth/host-token.ts";
import type { HostKeys } from "../auth/host-token.ts";
import { fileFault } from "../wire/file-fault.ts";
import { joinAnswerSchema } from "../wire/host.ts";
import { AgentError } from "./agent-error.ts";
import { parseJson } from "./call.ts";

const membershipSchema = joinAnswerSchema.extend({
  edgeUrl: z.string().describe("The edge it joined."),
  joinTokenId: z.string().optional().describe("jti of the invite that was used."),
});
export type Membership = z.infer<typeof membershipSchema>;

const OTHERS = 0o077;

/** The agent's keys, made on the first start; refuses a file that others on this machine may read. */
export async function readKeys(stateDir: string): Promise<HostKeys> {
  const path = join(stateDir, "agent-keys.json");
  let text = await readPrivate(path);
  if (text === undefined) {
    text = JSON.stringify(await generateHostKeys());
    await writePrivate(stateDir, path, text);
  }
  const keys = await importHostKeys(text);
  if (!keys.ok) throw new AgentError(`${path}: ${keys.error}; restore it, or remove it and join anew`);
  return keys.value;
}

/** What the last join agreed; undefined before the first. */
export async function readMembership(stateDir: string): Promise<Membership | undefined> {
  const path = join(stateDir, "agent.json");
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const parsed = membershipSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new AgentError(
      `${path}: damaged; remove it and join anew (hive agent --join TOKEN; hive up does so by itself)`,
    );
  return parsed.data;
}

export async function writeMembership(stateDir: string, membership: Membership): Promise<void> {
  await writePrivate(stateDir, join(stateDir, "agent.json"), JSON.stringify(membership));
}

async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (found.isFile() && (found.mode & OTHERS) !== 0 && process.platform !== "win32") {
      throw new AgentError(`${path}: others on this machine may read it; run chmod 600 ${path}`);
    }
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new AgentError(fileFault("read", path, cause).message, { cause });
  }
}

/** Written aside and renamed, so that a full disk or a crash leaves the old file whole. */
async function writePrivate(stateDir: string, path: string, text: string): Promise<void> {
  const aside = `${path}.${process.pid}.new`;
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const file = await open(aside, "w", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (cause) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw new AgentError(fileFault("write", path, cause).message, { cause });
  }
}
