// `hive proxy`: programs that can set nothing reach Hive through a loopback port, and notice nothing but Ollama.
import { request as httpRequest } from "node:http";
import { Ollama } from "ollama";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, freePort, startFleet, startHive } from "../support/fleet.ts";
import type { RunningProcess, TestFleet } from "../support/fleet.ts";

const messages = [{ role: "user" as const, content: "Why is the sky blue?" }];
const models = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "slow", decodeTokensPerSecond: 20 })];
let fleet: TestFleet;
let proxy: RunningProcess;
let url: string;

beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models, slots: 2 });
  [proxy, url] = await openProxy(fleet.url);
});
afterAll(async () => {
  await proxy.stop();
  await fleet.close();
});

async function openProxy(edge: string, env: Record<string, string> = {}): Promise<[RunningProcess, string]> {
  const port = await freePort();
  const args = ["proxy", "--port", String(port), "--edge", edge, "--state", fleet.stateDir];
  return [await startHive(args, "hive: ready", env), `http://127.0.0.1:${port}`];
}

/** A request whose headers are exactly these. */
async function raw(
  at: string,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; text: string }> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest(at + path, { headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject).end();
  });
}

it("serves a client that sets nothing, or a dummy, with the host's own words", async () => {
  const direct = new Ollama({ host: fleet.hosts[0]?.ollama.url ?? "" });
  const expected = await direct.chat({ model: "llama3.2", messages });
  for (const headers of [{}, { authorization: "Bearer ollama", "x-api-key": "dummy" }]) {
    const client = new Ollama({ host: url, headers });
    expect((await client.chat({ model: "llama3.2", messages })).message).toEqual(expected.message);
    let streamed = "";
    for await (const part of await client.chat({ model: "llama3.2", messages, stream: true }))
      streamed += part.message.content;
    expect(streamed).toBe(expected.message.content);
    expect((await client.list()).models).toHaveLength(models.length);
  }
});

it("passes every byte and header of an answer on, errors included", async () => {
  for (const [path, body] of [
    ["/api/chat", '{"model":"nope","messages":[]}'],
    ["/v1/chat/completions", "{"],
    ["/api/generate", JSON.stringify({ model: "llama3.2", prompt: "x", stream: false, options: { seed: 1 } })],
  ] as const) {
    const headers = { authorization: `Bearer ${fleet.token}` };
    const straight = await fetch(fleet.url + path, { method: "POST", body, headers });
    const through = await fetch(url + path, { method: "POST", body });
    expect(through.status).toBe(straight.status);
    for (const name of ["content-type", "cache-control", "content-length"])
      if (straight.status !== 200) expect(through.headers.get(name)).toBe(straight.headers.get(name));
    const timeless = (text: string) => text.replaceAll(/"(created_at|\w+_duration)":("[^"]*"|\d+)/g, "");
    expect(timeless(await through.text())).toBe(timeless(await straight.text()));
  }
  expect(await (await fetch(`${url}/`)).text()).toBe("Ollama is running");
  expect((await fetch(`${url}/`, { method: "HEAD" })).status).toBe(200);
});

it("hands records on before the answer is whole", async () => {
  const leaving = new AbortController();
  const response = await fetch(`${url}/api/chat`, {
    method: "POST",
    body: JSON.stringify({ model: "slow", messages, options: { num_predict: 400 } }),
    signal: leaving.signal,
  });
  // The whole answer takes 20 s.
  const first = await response.body?.getReader().read();
  expect(new TextDecoder().decode(first?.value)).not.toContain('"done":true');
  leaving.abort();
});

it("passes a client's leaving on", async () => {
  const leaving = new AbortController();
  const response = await fetch(`${url}/api/chat`, {
    method: "POST",
    body: JSON.stringify({ model: "slow", messages, options: { num_predict: 2_000 } }),
    signal: leaving.signal,
  });
  await response.body?.getReader().read();
  const gauges = () => fleet.hosts[0]?.ollama.gauges();
  expect(gauges()?.activeGenerations).toBeGreaterThan(0);
  leaving.abort();
  await eventually("the host stops", () => gauges()?.activeGenerations === 0, 2_000);
});

it("passes a body without a length on", async () => {
  const parts = ['{"model":"llama3.2","stream":false,', '"messages":[{"role":"user","content":"hi"}]}'];
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part = parts.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(new TextEncoder().encode(part));
    },
  });
  const response = await fetch(`${url}/api/chat`, { method: "POST", body, duplex: "half" });
  expect(response.status).toBe(200);
});

it("opens nothing to web pages that point their own name at it, nor to other origins", async () => {
  expect((await raw(url, "/api/tags", { host: "evil.example" })).status).toBe(403);
  expect((await raw(url, "/api/tags", { origin: "https://evil.example" })).status).toBe(403);
  expect((await raw(url, "/api/tags", { origin: "http://localhost:3000" })).status).toBe(200);
  expect((await raw(url, "/api/tags", { host: "localhost:11434" })).status).toBe(200);
});

it("opens no route of operators, even with an operator's token", async () => {
  const [admin, at] = await openProxy(fleet.url, { HIVE_TOKEN: fleet.adminToken });
  expect((await raw(at, "/api/tags", {})).status).toBe(200);
  expect((await raw(at, "/hive/v1/fleet", {})).status).toBe(404);
  await admin.stop();
});

it("takes a base URL with a key in it, and a HIVE_TOKEN, instead of the keys", async () => {
  const key = await fleet.clientToken({ url: true });
  for (const [edge, env] of [
    [`${fleet.url}/k/${key}`, {}],
    [fleet.url, { HIVE_TOKEN: fleet.token }],
  ] as const) {
    const [other, at] = await openProxy(edge, { ...env, HIVE_STATE: "/nowhere" });
    expect((await new Ollama({ host: at }).chat({ model: "llama3.2", messages })).message.content).not.toBe("");
    await other.stop();
  }
});

it("says in one line that its port is in use or that it has no token, and answers 502 while the edge is away", async () => {
  const port = new URL(url).port;
  await expect(startHive(["proxy", "--port", port, "--state", fleet.stateDir], "hive: ready")).rejects.toThrow(
    /port \d+ is in use/,
  );
  await expect(startHive(["proxy", "--state", "/nowhere"], "hive: ready")).rejects.toThrow(/no token: set HIVE_TOKEN/);
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const [lonely, at] = await openProxy(nobody);
  const answer = await raw(at, "/api/tags", {});
  expect(answer).toEqual({
    status: 502,
    text: JSON.stringify({ error: `hive proxy: no answer from ${nobody}; is Hive running there?` }),
  });
  await lonely.stop();
});
