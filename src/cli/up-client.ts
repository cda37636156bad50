// What `hive up` hands its user: a client token that lasts over starts, and a curl line that works as pasted.
import { join, resolve } from "node:path";
import * as z from "zod";
import { issueClientToken, verifyClientToken } from "../auth/client-token.ts";
import { readIfThere, writeWhole } from "../selfhost/files.ts";
import { requireKeys } from "./state.ts";

const RENEW_WITHIN_MS = 86_400_000;
// An agent's first heartbeat follows its start at once; a real Ollama with many models takes a few seconds to list them.
const MODEL_TIMEOUT_MS = 10_000;
const MODEL_POLL_MS = 100;

const tagsSchema = z.object({
  models: z.array(z.object({ name: z.string(), capabilities: z.array(z.string()).optional() })),
});

/** The token in STATE/client-token, renewed when it is missing, not valid any more, or about to expire. */
export async function keepClientToken(state: string, issuer: string): Promise<string> {
  const path = join(resolve(state), "client-token");
  const keys = await requireKeys(state);
  const now = Date.now();
  const stored = (await readIfThere(path))?.trim();
  if (stored !== undefined) {
    const verified = await verifyClientToken(keys, stored, { issuer, now });
    if (verified.ok && verified.value.exp * 1000 > now + RENEW_WITHIN_MS) return stored;
  }
  const token = await issueClientToken(keys, { sub: "local", issuer, now });
  await writeWhole(path, `${token}\n`);
  return token;
}

/** A model that can chat and that the edge knows a host for; undefined when none shows up in time. */
export async function findChatModel(edgeUrl: string, token: string): Promise<string | undefined> {
  const giveUpAt = Date.now() + MODEL_TIMEOUT_MS;
  while (Date.now() < giveUpAt) {
    const models = await listModels(edgeUrl, token);
    const chat = models.find((model) => model.capabilities?.includes("completion") ?? true);
    if (chat !== undefined) return chat.name;
    await new Promise((wake) => setTimeout(wake, MODEL_POLL_MS));
  }
  return undefined;
}

async function listModels(edgeUrl: string, token: string): Promise<z.infer<typeof tagsSchema>["models"]> {
  const response = await fetch(`${edgeUrl}/api/tags`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(MODEL_TIMEOUT_MS),
  });
  const parsed = tagsSchema.safeParse(await response.json());
  return response.ok && parsed.success ? parsed.data.models : [];
}

/** One line for a POSIX shell. */
export function curlLine(edgeUrl: string, token: string, model: string | undefined): string {
  const header = `-H 'Authorization: Bearer ${token}'`;
  if (model === undefined) return `curl -s ${edgeUrl}/api/tags ${header}`;
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "Why is the sky blue?" }] });
  return `curl -sN ${edgeUrl}/api/chat ${header} -d '${body.replaceAll("'", String.raw`'\''`)}'`;
}
