// Canaries: words in prompts and tokens that must turn up nowhere: in no log, no file, no view of an operator.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const PROMPT = "canary-of-the-prompt-7f3a";
const SYSTEM = "canary-of-the-system-91bc";
const FORGED = "canary-of-a-forged-token-55de";
let fleet: TestFleet;
let urlToken: string;

beforeAll(async () => {
  fleet = await startFleet({ QUEUE_TIMEOUT: "1s" });
  await fleet.addHost("a", { models: [simulatedModel({ name: "llama3.2" })] });
  urlToken = await fleet.clientToken({ url: true });
});
afterAll(async () => await fleet.close());

async function post(path: string, body: string, token = fleet.token): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, "user-agent": "canary-tester" };
  const response = await fetch(fleet.url + path, { method: "POST", headers, body });
  await response.text();
  return response.status;
}

const chat = (part: object = {}) =>
  JSON.stringify({
    model: "llama3.2",
    messages: [
      { role: "system", content: SYSTEM },
      { role: "user", content: PROMPT },
    ],
    ...part,
  });

/** Everything that went well and everything that went wrong, with canaries in all of it. */
async function sing(): Promise<void> {
  expect(await post("/api/chat", chat())).toBe(200);
  expect(await post("/api/chat", chat({ stream: false }))).toBe(200);
  expect(await post("/v1/chat/completions", chat())).toBe(200);
  expect(await post("/api/generate", JSON.stringify({ model: "llama3.2", prompt: PROMPT, system: SYSTEM }))).toBe(200);
  expect(await post("/api/embed", JSON.stringify({ model: "llama3.2", input: [PROMPT] }))).toBeLessThan(500);
  expect(await post(`/k/${urlToken}/api/chat`, chat())).toBe(200);
  expect(await post("/api/chat", chat({ model: `nope-${PROMPT}` }))).toBe(404);
  expect(await post("/api/chat", `{"model":"llama3.2","MODEL":"${PROMPT}"}`)).toBe(400);
  expect(await post("/api/chat", `{"model":"llama3.2",${PROMPT}}`)).toBe(400);
  expect(await post("/api/chat", chat(), `${FORGED}.${FORGED}.${FORGED}`)).toBe(401);
  expect(await post(`/k/${FORGED}/api/chat`, chat(), "x")).toBe(401);
  expect(await post(`/api/chat?token=${FORGED}`, chat(), "")).toBe(401);
  expect(await post(`/hive/v1/hosts/a/heartbeat`, JSON.stringify({ prompt: PROMPT }), FORGED)).toBe(401);
  expect(await post(`/hive/v1/hosts/a/join`, JSON.stringify({ prompt: PROMPT }), FORGED)).toBe(401);
  const [host] = fleet.hosts;
  await host?.ollama.setFault({ kind: "reset" });
  await post("/api/chat", chat());
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const files = await Promise.all(
    names.map(async (name) => ((await stat(join(folder, name))).isFile() ? [join(folder, name)] : [])),
  );
  return files.flat();
}

it("turn up in no log, no file and no view, whatever went wrong with their requests [T27 T17]", async () => {
  await sing();
  const admin = { authorization: `Bearer ${fleet.adminToken}` };
  await eventually("usage is written", async () => {
    const usage = (await (await fetch(`${fleet.url}/hive/v1/usage`, { headers: admin })).json()) as {
      usage: unknown[];
    };
    return usage.usage.length > 0;
  });
  const haystacks = new Map<string, string>();
  for (const [id, line] of await commandLines()) haystacks.set(`the arguments of process ${id}`, line);
  for (const path of ["/hive/v1/fleet", "/hive/v1/usage", "/hive/v1/tokens", "/hive/v1/audit", "/hive/metrics"])
    haystacks.set(path, await (await fetch(fleet.url + path, { headers: admin })).text());
  await Promise.all(fleet.hosts.map(async ({ agent }) => await agent.stop()));
  await fleet.edge.stop();
  haystacks.set("the edge's log", fleet.edge.lines.join("\n"));
  for (const { id, agent } of fleet.hosts) haystacks.set(`the log of agent ${id}`, agent.lines.join("\n"));
  const files = await filesIn(fleet.stateDir);
  expect(files.some((file) => file.endsWith(".sqlite"))).toBe(true);
  for (const file of files) haystacks.set(file, (await readFile(file)).toString("latin1"));

  const keys = await readFile(join(fleet.stateDir, "keys.json"), "utf8");
  const halves = [...keys.matchAll(/"d":"([^"]+)"/g)].map(([, half]) => half ?? "");
  expect(halves.length).toBeGreaterThan(3);
  haystacks.delete(join(fleet.stateDir, "keys.json"));
  const secrets = [
    ...halves,
    PROMPT,
    SYSTEM,
    FORGED,
    fleet.token,
    fleet.adminToken,
    urlToken,
    urlToken.split(".")[2] ?? "?",
  ];
  for (const [where, text] of haystacks)
    for (const secret of secrets) expect(text.includes(secret) ? `${secret} in ${where}` : "", where).toBe("");
  // A search that cannot find anything finds nothing: what must be there is.
  expect([...haystacks.values()].some((text) => text.includes("tester"))).toBe(true);
});

/** The arguments of every process of this machine, those that ours have started among them. */
async function commandLines(): Promise<[id: string, line: string][]> {
  const ids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const read = async (id: string): Promise<[string, string]> => [
    id,
    await readFile(`/proc/${id}/cmdline`, "utf8").catch(() => ""),
  ];
  const lines = await Promise.all(ids.map(read));
  if (process.platform === "linux")
    expect(lines.some(([, line]) => line.includes("workerd") && line.includes(fleet.stateDir))).toBe(true);
  return lines;
}

it("are not in the arguments of any process, nor in files that others may read [T29]", async () => {
  for (const file of await filesIn(fleet.stateDir)) {
    if (!/keys\.json$|agent\.json$/.test(file)) continue;
    expect([file, (await stat(file)).mode & 0o077]).toEqual([file, 0]);
  }
  const keys = await readFile(join(fleet.stateDir, "keys.json"), "utf8");
  const secrets = [...keys.matchAll(/"d":"([^"]+)"/g)].map(([, secret]) => secret ?? "");
  expect(secrets.length).toBeGreaterThan(3);
  for (const file of await filesIn(fleet.stateDir)) {
    if (file.endsWith("/keys.json")) continue;
    const text = (await readFile(file)).toString("latin1");
    for (const secret of secrets) expect(text.includes(secret), file).toBe(false);
  }
  const spawned = [fleet.edge, ...fleet.hosts.map(({ agent }) => agent)].map(({ child }) => child.spawnargs.join(" "));
  for (const line of spawned) for (const secret of secrets) expect(line).not.toContain(secret);
});
