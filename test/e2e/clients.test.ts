// Real npm clients through edge, cell and agents to two simulated Ollamas: the same words as straight from a host.
import { ChatOllama } from "@langchain/ollama";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const MODEL = "llama3.2";
const messages = [{ role: "user" as const, content: "Why is the sky blue?" }];
const models = [
  simulatedModel({ name: MODEL }),
  simulatedModel({ name: "slow", decodeTokensPerSecond: 50 }),
  simulatedModel({ name: "embedder", capabilities: ["embedding"] }),
];
let fleet: TestFleet;
let direct: Ollama;
let hive: Ollama;

beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models, slots: 2 });
  await fleet.addHost("b", { models, slots: 2 });
  direct = new Ollama({ host: fleet.hosts[0]?.ollama.url ?? "" });
  hive = new Ollama({ host: fleet.url, headers: { authorization: `Bearer ${fleet.token}` } });
});

afterAll(async () => await fleet.close());

/** What two runs of the same request must share: all but clocks. */
function timeless<Answer extends object>(answer: Answer): Partial<Answer> {
  return Object.fromEntries(
    Object.entries(answer).filter(
      ([key]) => key !== "created_at" && !key.endsWith("_duration") && key !== "created" && key !== "id",
    ),
  ) as Partial<Answer>;
}

async function collect<Item extends object>(stream: AsyncIterable<Item>): Promise<Partial<Item>[]> {
  const items: Partial<Item>[] = [];
  for await (const item of stream) items.push(timeless(item));
  return items;
}

/** What a list must agree on, in an order of its own: Ollama's is random inside one second. */
function rowsOf(models: readonly { name: string; digest: string; size: number }[]): string[] {
  return models.map((model) => `${model.name} ${model.digest} ${model.size}`).toSorted((a, b) => a.localeCompare(b));
}

describe("ollama", () => {
  it("chats, record by record as the host", async () => {
    const expected = await collect(await direct.chat({ model: MODEL, messages, stream: true }));
    const seen = await collect(await hive.chat({ model: MODEL, messages, stream: true }));
    expect(expected.length).toBeGreaterThan(10);
    expect(seen.map((record) => ({ ...record, prompt_eval_count: 0 }))).toEqual(
      expected.map((record) => ({ ...record, prompt_eval_count: 0 })),
    );
  });

  it("chats without streaming", async () => {
    const expected = await direct.chat({ model: MODEL, messages, stream: false });
    expect(timeless(await hive.chat({ model: MODEL, messages, stream: false }))).toEqual(timeless(expected));
  });

  it("generates, streamed and not", async () => {
    const expected = await direct.generate({ model: MODEL, prompt: "One, two", stream: false });
    expect(timeless(await hive.generate({ model: MODEL, prompt: "One, two", stream: false }))).toEqual(
      timeless(expected),
    );
    const words = (await collect(await hive.generate({ model: MODEL, prompt: "One, two", stream: true }))).map(
      (record) => record.response,
    );
    expect(words.join("")).toBe(expected.response);
  });

  it("embeds, and keeps the order of inputs", async () => {
    const expected = await direct.embed({ model: "embedder", input: ["one", "two", "three"] });
    expect((await hive.embed({ model: "embedder", input: ["one", "two", "three"] })).embeddings).toEqual(
      expected.embeddings,
    );
  });

  it("lists and shows what a host would", async () => {
    const expected = await direct.list();
    const seen = await hive.list();
    expect(rowsOf(seen.models)).toEqual(rowsOf(expected.models));
    expect(timeless(await hive.show({ model: MODEL }))).toEqual(timeless(await direct.show({ model: MODEL })));
    await eventually("ps shows the model", async () =>
      (await hive.ps()).models.some((model) => model.name === "llama3.2:latest"),
    );
  });
});

describe("openai", () => {
  it("chats, streamed and not, and embeds", async () => {
    const straight = new OpenAI({ baseURL: `${fleet.hosts[0]?.ollama.url}/v1`, apiKey: "none" });
    const client = new OpenAI({ baseURL: `${fleet.url}/v1`, apiKey: fleet.token });
    const expected = await straight.chat.completions.create({ model: MODEL, messages });
    const seen = await client.chat.completions.create({ model: MODEL, messages });
    expect(seen.choices).toEqual(expected.choices);
    const expectedChunks = await collect(
      await straight.chat.completions.create({ model: MODEL, messages, stream: true }),
    );
    const chunks = await collect(await client.chat.completions.create({ model: MODEL, messages, stream: true }));
    expect(chunks).toEqual(expectedChunks);
    const embedding = await straight.embeddings.create({ model: "embedder", input: "one" });
    expect((await client.embeddings.create({ model: "embedder", input: "one" })).data).toEqual(embedding.data);
    expect((await client.models.list()).data.map((model) => model.id)).toContain("llama3.2:latest");
  });
});

describe("langchain", () => {
  it("chats, streamed and not", async () => {
    const client = new ChatOllama({
      model: MODEL,
      baseUrl: fleet.url,
      headers: { authorization: `Bearer ${fleet.token}` },
    });
    const expected = await direct.chat({ model: MODEL, messages, stream: false });
    expect((await client.invoke("Why is the sky blue?")).content).toBe(expected.message.content);
    let streamed = "";
    for await (const chunk of await client.stream("Why is the sky blue?")) streamed += chunk.text;
    expect(streamed).toBe(expected.message.content);
  });
});

describe("the fleet", () => {
  it("gives both hosts work", async () => {
    await Promise.all(
      Array.from(
        { length: 4 },
        async () => await hive.chat({ model: "slow", messages, stream: false, options: { num_predict: 10 } }),
      ),
    );
    for (const host of fleet.hosts)
      expect(host.ollama.requests.some((request) => request.url === "/api/chat")).toBe(true);
  });

  it("lets no credential, origin or cookie of a client reach a host [T8 T9]", async () => {
    const response = await fetch(`${fleet.url}/api/chat`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${fleet.token}`,
        cookie: "canary=1",
        origin: "http://localhost:3000",
        "x-api-key": "canary",
      },
      body: JSON.stringify({ model: MODEL, messages, stream: false }),
    });
    expect(response.status).toBe(200);
    const received = JSON.stringify(
      fleet.hosts.flatMap((host) => host.ollama.requests.map((request) => request.rawHeaders)),
    );
    expect(received).not.toContain("canary");
    expect(received).not.toContain("localhost:3000");
    expect(received).not.toContain(fleet.token);
  });

  it("frees the slot at host, agent and cell within 2 s when a client leaves mid-stream", async () => {
    const leaving = new AbortController();
    const response = await fetch(`${fleet.url}/api/chat`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.token}` },
      body: JSON.stringify({ model: "slow", messages, options: { num_predict: 2_000 } }),
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    expect((await fleet.readFleet()).activeLeases).toBe(1);
    leaving.abort();
    await eventually(
      "every slot is free",
      async () => {
        const cell = (await fleet.readFleet()).activeLeases;
        return cell === 0 && fleet.hosts.every((host) => host.ollama.gauges().activeGenerations === 0);
      },
      2_000,
    );
  });
});
