// The `ollama` command line without a secret: its own key, registered once, signs every request.
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { runHive } from "../cli/run-hive.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const pair = generateKeyPairSync("ed25519");
const raw = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
const encoded = Buffer.concat([
  Buffer.from("0000000b", "hex"),
  Buffer.from("ssh-ed25519"),
  Buffer.from([0, 0, 0, 32]),
  raw,
]);
const publicLine = `ssh-ed25519 ${encoded.toString("base64")} ann@laptop`;
let fleet: TestFleet;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hive-key-"));
  fleet = await startFleet();
  await fleet.addHost("a", { models: [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "other" })] });
});
afterAll(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: object): Promise<Response> {
  const query = `?ts=${Math.floor(Date.now() / 1000)}`;
  const signature = sign(null, Buffer.from(`${method},${path}${query}`), pair.privateKey).toString("base64");
  const headers = {
    authorization: `${encoded.toString("base64")}:${signature}`,
    "user-agent": "ollama/0.33.0 (amd64 linux)",
  };
  return await fetch(fleet.url + path + query, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function register(fileOrKey: string, ...more: string[]) {
  return await runHive([
    "token",
    "issue",
    "--role",
    "client",
    "--ollama-key",
    fileOrKey,
    "--edge",
    fleet.url,
    "--state",
    fleet.stateDir,
    ...more,
  ]);
}

it("refuses a key that nobody registered with a text that the command line shows", async () => {
  const refused = await call("GET", "/api/tags");
  expect([refused.status, await refused.json()]).toEqual([403, { error: "hive: no valid token" }]);
});

it("is served once `hive token issue --ollama-key` has registered its key, from a file or as text", async () => {
  const path = join(folder, "id_ed25519.pub");
  await writeFile(path, `${publicLine}\n`);
  const ended = await register(path, "--models", "llama3.2");
  expect([ended.code, ended.errors[0]]).toEqual([0, expect.stringContaining("OLLAMA_AUTH=1")]);
  const tags = (await (await call("GET", "/api/tags")).json()) as { models: { name: string }[] };
  expect(tags.models.map(({ name }) => name)).toEqual(["llama3.2:latest"]);
  const chat = { model: "llama3.2", messages: [{ role: "user", content: "hi" }], stream: false };
  expect((await call("POST", "/api/chat", chat)).status).toBe(200);
  const other = await call("POST", "/api/chat", { ...chat, model: "other" });
  expect([other.status, await other.json()]).toEqual([403, { error: "hive: this token may not use model 'other'" }]);
  expect((await register(publicLine)).code).toBe(0);
  expect((await call("POST", "/api/chat", { ...chat, model: "other" })).status).toBe(200);
});

it("is listed, and ends when it is revoked", async () => {
  const id = (await register(publicLine, "--sub", "ann")).stdout.trim();
  const target = ["--edge", fleet.url, "--state", fleet.stateDir];
  expect((await runHive(["token", "list", ...target])).stdout).toContain(id);
  expect((await call("GET", "/api/tags")).status).toBe(200);
  expect((await runHive(["token", "revoke", id, ...target])).code).toBe(0);
  await expect.poll(async () => (await call("GET", "/api/tags")).status, { timeout: 15_000 }).toBe(403);
});

it("takes no private key, and says which file to give", async () => {
  const path = join(folder, "id_ed25519");
  await writeFile(path, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
  const ended = await register(path);
  expect([ended.code, ended.errors]).toEqual([2, [expect.stringContaining("give the .pub file")]]);
});
