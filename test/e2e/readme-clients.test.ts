// Every row of the README's table "Your client" is true: real libraries are set up from its cells; programs that cannot run
// here are played by the requests they send, with URL and token where the row says.
import Anthropic from "@anthropic-ai/sdk";
import { ChatOllama } from "@langchain/ollama";
import { generateText } from "ai";
import { execFile } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Ollama } from "ollama";
import { createOllama } from "ollama-ai-provider-v2";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive } from "../cli/run-hive.ts";
import { freePort, startFleet, startHive } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";
import { codeIn, readReadmeClients, valueIn } from "../support/readme-clients.ts";

const MODEL = "llama3.2";
const prompt = "Why is the sky blue?";
const messages = [{ role: "user" as const, content: prompt }];
const CHAT = { model: MODEL, messages, stream: false };
const rows = await readReadmeClients();
let fleet: TestFleet;
let expected: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hive-readme-"));
  fleet = await startFleet();
  const host = await fleet.addHost("a", { models: [simulatedModel({ name: MODEL })], slots: 4 }, 4);
  expected = (await new Ollama({ host: host.ollama.url }).chat({ model: MODEL, messages })).message.content;
});
afterAll(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

/** The cells of a row, filled in: its URLs and its tokens. */
interface Filled {
  readonly urls: readonly string[];
  readonly tokens: readonly string[];
}

/** Says what the model answered, once for every way that the row offers. */
type Player = (filled: Filled) => Promise<string[]>;

/** Method, path and, where there is one, body. */
type Sent = readonly [method: string, path: string, body?: object];

async function call(base: string, headers: Record<string, string>, [method, path, body]: Sent): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${base.replace(/\/$/, "")}${path}`, { method, headers, ...sent });
  expect(response.status, `${method} ${path}`).toBe(200);
  return response;
}

/** A program's own requests, and then a chat. */
function asking(...requests: readonly Sent[]) {
  return async (base: string, headers: Record<string, string>): Promise<string> => {
    for (const sent of requests) await call(base, headers, sent);
    const answer = await call(base, headers, ["POST", "/api/chat", CHAT]);
    return ((await answer.json()) as { message: { content: string } }).message.content;
  };
}

const TAGS = ["GET", "/api/tags"] as const;
const SHOW = ["POST", "/api/show", { model: MODEL }] as const;
const VERSION = ["GET", "/api/version"] as const;
const bearer = (token: string): Record<string, string> => ({
  authorization: token.startsWith("Bearer ") ? token : `Bearer ${token}`,
});

/** One with a base URL and a key, sent as Bearer; a cell that offers a URL with a key as well is tried both ways. */
function withKey(program: ReturnType<typeof asking>): Player {
  return async ({ urls: [url = ""], tokens: [token = "", keyed] }) => {
    const answers = [await program(valueIn(url), bearer(valueIn(token)))];
    if (keyed !== undefined) answers.push(await program(valueIn(keyed), {}));
    return answers;
  };
}

/** One that can be told a base URL and nothing else, or always sends a dummy. */
function withUrl(program: ReturnType<typeof asking>, headers: Record<string, string> = {}): Player {
  return async ({ urls: [url = ""] }) => [await program(valueIn(url), headers)];
}

const commandLine = { "user-agent": "ollama/0.33.0 (amd64 linux) Go/go1.26.0" };
const ollamaJs: Player = async ({ urls: [url = ""], tokens: [token = ""] }) => {
  const client = new Ollama({ host: valueIn(url), headers: { authorization: valueIn(token) } });
  return [(await client.chat({ model: MODEL, messages })).message.content];
};

const PLAYERS: Readonly<Record<string, Player>> = {
  "`ollama` (command line), `ollama launch`, Go `api`": withUrl(asking(["HEAD", "/"], TAGS, SHOW), commandLine),
  "`ollama` (command line) without a secret": signing,
  "`ollama` (npm)": ollamaJs,
  "`ollama` (Python)": async ({ urls, tokens }) => {
    const ways = urls.flatMap((url) => tokens.map((token) => [url, token] as const));
    return await Promise.all(
      ways.map(async ([url, token]) => await asking(TAGS)(valueIn(url), bearer(lastQuoted(token)))),
    );
  },
  "`openai` (npm)": async ({ urls: [url = ""], tokens: [token = ""] }) => await openai(valueIn(url), valueIn(token)),
  "`openai` (Python), and whatever else speaks OpenAI": async ({ urls: [url = ""], tokens: [token = ""] }) =>
    await openai(valueIn(url), valueIn(token)),
  "`@anthropic-ai/sdk` (npm)": async ({ urls: [url = ""], tokens: [token = ""] }) =>
    await anthropic(new Anthropic({ baseURL: valueIn(url), apiKey: valueIn(token), authToken: null })),
  "Claude Code": async ({ urls: [url = ""], tokens: [token = ""] }) =>
    await anthropic(new Anthropic({ baseURL: valueIn(url), apiKey: null, authToken: valueIn(token) })),
  "`@langchain/ollama` (npm)": async ({ urls: [url = ""], tokens: [token = ""] }) => {
    const headers = { authorization: valueIn(token) };
    return [(await new ChatOllama({ model: MODEL, baseUrl: valueIn(url), headers }).invoke(prompt)).text];
  },
  "`langchain-ollama` (Python)": async ({ urls: [url = ""], tokens: [token = ""] }) => [
    await asking(TAGS)(valueIn(url), bearer(lastQuoted(token))),
  ],
  "`ai` with `ollama-ai-provider-v2` (npm)": async ({ urls: [url = ""], tokens: [token = ""] }) => {
    const provider = createOllama({ baseURL: valueIn(url), headers: { authorization: valueIn(token) } });
    return [(await generateText({ model: provider(MODEL), prompt })).text];
  },
  // Built on the npm client `ollama`.
  "`ai` with `ai-sdk-ollama` (npm)": ollamaJs,
  LiteLLM: withKey(asking(SHOW)),
  "Open WebUI": withUrl(asking(TAGS, VERSION)),
  Continue: withKey(asking(SHOW)),
  n8n: withKey(asking(TAGS)),
  "Home Assistant": withKey(asking(TAGS)),
  "Obsidian Copilot": withKey(asking(TAGS)),
  Cline: withKey(asking(TAGS)),
  "GitHub Copilot Chat": withUrl(asking(VERSION, TAGS, SHOW), { "user-agent": "GitHubCopilotChat/0.30.0" }),
  "AnythingLLM, and others that know a base URL alone": withUrl(asking(TAGS), { authorization: "Bearer default-key" }),
  "JetBrains, Xcode, and others that know a host and port alone": proxied,
  "`curl`": async ({ urls: [url = ""], tokens }) => {
    for (const token of tokens) {
      const { stdout } = await promisify(execFile)("sh", ["-c", `${url.replace("curl", "curl -s")} ${token}`]);
      expect((JSON.parse(stdout) as { models: unknown[] }).models).toHaveLength(1);
    }
    return [expected];
  },
};

function lastQuoted(code: string): string {
  return [...code.matchAll(/"([^"]*)"/g)].at(-1)?.[1] ?? valueIn(code);
}

async function openai(baseURL: string, apiKey: string): Promise<string[]> {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
  const { choices } = await client.chat.completions.create({ model: MODEL, messages });
  return [choices[0]?.message.content ?? ""];
}

async function anthropic(client: Anthropic): Promise<string[]> {
  const { content } = await client.messages.create({ model: MODEL, max_tokens: 500, messages });
  return content.map((block) => (block.type === "text" ? block.text : ""));
}

/** Registers a key with the command of the row, then signs as the command line does. */
async function signing({ urls: [host = ""], tokens: [switchedOn = "", command = ""] }: Filled): Promise<string[]> {
  expect(switchedOn).toBe("OLLAMA_AUTH=1");
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const name = Buffer.from("0000000b7373682d6564323535313900000020", "hex");
  const encoded = Buffer.concat([name, raw]).toString("base64");
  const file = join(folder, "id_ed25519.pub");
  await writeFile(file, `ssh-ed25519 ${encoded}\n`);
  const args = command.replace("npx hive ", "").replace("~/.ollama/id_ed25519.pub", file).split(" ");
  expect((await runHive([...args, "--state", fleet.stateDir], { HIVE_URL: fleet.url })).code).toBe(0);
  const query = `?ts=${Math.floor(Date.now() / 1000)}`;
  const signature = sign(null, Buffer.from(`POST,/api/chat${query}`), privateKey).toString("base64");
  const headers = { ...commandLine, authorization: `${encoded}:${signature}` };
  const answer = await call(valueIn(host), headers, ["POST", `/api/chat${query}`, CHAT]);
  return [((await answer.json()) as { message: { content: string } }).message.content];
}

/** Runs the command of the row; the port is a free one, for Ollama's own may be taken. */
async function proxied({ urls: [address = ""], tokens: [command = ""] }: Filled): Promise<string[]> {
  const port = await freePort();
  const args = [...command.replace("npx hive ", "").split(" "), "--port", String(port), "--state", fleet.stateDir];
  const proxy = await startHive(args, "hive: ready", { HIVE_URL: fleet.url });
  try {
    return [await asking(TAGS)(`http://${address.replace("11434", String(port))}`, {})];
  } finally {
    await proxy.stop();
  }
}

it("has a player for every row of the table, and no other", () => {
  expect(rows.map(({ name }) => name)).toEqual(Object.keys(PLAYERS));
});

it.each(rows)("is true for $name", async ({ name, url, token }) => {
  const values = { URL: fleet.url, TOKEN: fleet.token, KEY: await fleet.clientToken({ url: true }) };
  const answers = await PLAYERS[name]?.({ urls: codeIn(url, values), tokens: codeIn(token, values) });
  expect(answers?.length).toBeGreaterThan(0);
  for (const answer of answers ?? []) expect(answer).toBe(expected);
});
