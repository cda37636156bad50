// On real sockets: a large batch of embeddings on several hosts at once, and a conversation that stays where its prompt was read.
import { afterEach, beforeEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [
  simulatedModel({ name: "llama3.2" }),
  simulatedModel({ name: "embedder", capabilities: ["embedding"], embeddingLength: 8 }),
];
let fleet: TestFleet;

beforeEach(async () => {
  fleet = await startFleet();
  for (const id of ["a", "b"]) await fleet.addHost(id, { models, slots: 1 });
});
afterEach(async () => await fleet.close());

async function post(url: string, body: object): Promise<Response> {
  return await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify(body),
  });
}

it("answers a large batch as one host would, with the work of both", async () => {
  const input = Array.from({ length: 200 }, (_, index) => `text number ${index}`);
  for (const path of ["/api/embed", "/v1/embeddings"]) {
    const answer = await post(fleet.url + path, { model: "embedder", input });
    expect(answer.status).toBe(200);
    expect(new Set(answer.headers.get("hive-host")?.split(","))).toEqual(new Set(["a", "b"]));
    const joined = (await answer.json()) as Record<string, unknown>;
    const direct = (await (
      await post(`${fleet.hosts[0]?.ollama.url}${path}`, { model: "embedder", input })
    ).json()) as Record<string, unknown>;
    for (const name of ["model", "embeddings", "data", "usage", "prompt_eval_count"])
      expect(joined[name]).toEqual(direct[name]);
  }
});

it("loads a model that is to be unloaded after a batch once for all of it", async () => {
  const input = Array.from({ length: 200 }, (_, index) => `text number ${index}`);
  const answer = await post(`${fleet.url}/api/embed`, { model: "embedder", input, keep_alive: 0 });
  expect([answer.status, ((await answer.json()) as { embeddings: unknown[] }).embeddings.length]).toEqual([200, 200]);
  const loads = fleet.hosts.map(({ ollama }) => ollama.gauges().loads);
  expect(loads.reduce((sum, count) => sum + count, 0)).toBe(1);
});

it("refuses a batch as a whole, in the words of the host", async () => {
  const input = Array.from({ length: 100 }, () => "text");
  const answer = await post(`${fleet.url}/api/embed`, { model: "nowhere", input });
  expect(answer.status).toBe(404);
  expect(await answer.json()).toEqual({ error: 'model "nowhere" not found, try pulling it first' });
});

it("brings every turn of a conversation to the host that has read the last", async () => {
  const long = "Long ago, in a country far away, there lived a fleet of hosts. ".repeat(60);
  const messages: { role: string; content: string }[] = [];
  const hosts: (string | null)[] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    messages.push({ role: "user", content: `${turn} ${long}` });
    const body = { model: "llama3.2", messages, stream: false, options: { num_predict: 5 } };
    const answer = await post(`${fleet.url}/api/chat`, body);
    const { message } = (await answer.json()) as { message: { role: string; content: string } };
    hosts.push(answer.headers.get("hive-host"));
    messages.push(message);
  }
  expect(new Set(hosts.slice(1)).size).toBe(1);
});
