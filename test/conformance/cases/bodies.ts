// Cases about what is in a body: embeddings, tools, odd JSON, big images.
import { createHash, randomBytes } from "node:crypto";
import { expect } from "vitest";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { expectSame, json } from "../exchange.ts";
import type { World } from "../world.ts";

const messages = [{ role: "user", content: "Why is the sky blue?" }];
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

const embeddings = anyHost(
  23,
  "embeddings keep the order of inputs, their encoding and their values",
  async (world) => {
    const model = world.models.embed;
    if (model === undefined) return;
    const input = ["one", "two", "three", "one"];
    const first = await expectSame(world, { path: "/api/embed", body: json({ model, input }) });
    const { embeddings: vectors } = JSON.parse(first.records[0] ?? "") as { embeddings: number[][] };
    expect(vectors).toHaveLength(4);
    expect(vectors[3]).toEqual(vectors[0]);
    for (const body of [
      { model, input: "one" },
      { model, input: [] },
      { model, input, dimensions: 8 },
      { model, input: 5 },
    ])
      await expectSame(world, { path: "/api/embed", body: json(body) });
    await expectSame(world, { path: "/api/embeddings", body: json({ model, prompt: "one" }) });
    for (const encoding_format of ["float", "base64"])
      await expectSame(world, { path: "/v1/embeddings", body: json({ model, input, encoding_format }) });
  },
);

const capabilities = anyHost(
  24,
  "tools, thinking, logprobs, formats and images pass untouched, to hosts that can",
  async (world) => {
    const { chat, thinking, vision } = world.models;
    const asked = [{ role: "user", content: "Call get_weather for Rome" }];
    const options = { seed: 3, temperature: 0, num_predict: 16 };
    await expectSame(world, { path: "/api/chat", body: json({ model: chat, messages: asked, tools, options }) });
    const openai = { model: chat, messages: asked, tools, stream: true, seed: 3, temperature: 0 };
    await expectSame(world, { path: "/v1/chat/completions", body: json(openai) });
    const schema = { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] };
    await expectSame(world, { path: "/api/chat", body: json({ model: chat, messages, format: schema, options }) });
    await expectSame(world, {
      path: "/api/chat",
      body: json({ model: chat, messages, logprobs: true, top_logprobs: 2, options }),
    });
    if (thinking !== undefined)
      await expectSame(world, { path: "/api/chat", body: json({ model: thinking, messages, think: true, options }) });
    if (vision !== undefined) {
      const seen = [{ role: "user", content: "What is this?", images: [PIXEL] }];
      await expectSame(world, { path: "/api/chat", body: json({ model: vision, messages: seen, options }) });
      const parts = [{ type: "image_url", image_url: { url: `data:image/png;base64,${PIXEL}` } }];
      await expectSame(world, {
        path: "/v1/chat/completions",
        body: json({ model: vision, messages: [{ role: "user", content: parts }] }),
      });
    }
  },
);

const capable = simulatedOnly(
  24,
  "what needs a capability goes only to hosts that list it, and a host says what no host can",
  async (world) => {
    const image = [{ role: "user", content: "What is this?", images: [PIXEL] }];
    const hostOf = async (body: object) => {
      const answer = await world.send({ path: "/api/chat", body: json({ model: "uneven", stream: false, ...body }) });
      expect(answer.status).toBe(200);
      await answer.text();
      return answer.headers.get("hive-host");
    };
    for (let round = 0; round < 4; round += 1) {
      expect(await hostOf({ messages, tools })).toBe("b");
      expect(await hostOf({ messages: image })).toBe("b");
    }
    const nobodyCan: [path: string, body: object][] = [
      ["/api/chat", { model: "seer", messages, tools }],
      ["/v1/chat/completions", { model: "seer", messages, tools }],
      ["/api/chat", { model: "embedder", messages }],
      ["/api/generate", { model: "embedder", prompt: "One" }],
      ["/v1/chat/completions", { model: "embedder", messages }],
      ["/v1/messages", { model: "embedder", messages, max_tokens: 4 }],
      ["/api/chat", { model: "llama3.2", messages, think: true }],
      ["/api/generate", { model: "llama3.2", prompt: "One", suffix: "two" }],
      ["/api/chat", { model: "llama3.2", messages: image, stream: false }],
      ["/api/embed", { model: "llama3.2", input: "One" }],
    ];
    for (const [path, body] of nobodyCan) await expectSame(world, { path, body: json(body) });
  },
);

/** The host that got exactly these bytes. */
function holderOf(world: World, body: string) {
  const bodySha256 = createHash("sha256").update(body).digest("hex");
  return world.fleet.hosts.filter(({ ollama }) => ollama.requests.some((request) => request.bodySha256 === bodySha256));
}

const exact = simulatedOnly(
  25,
  "odd JSON reaches the host byte for byte, and ambiguous keys are refused",
  async (world) => {
    const odd = [
      '{ "stream" : false,"options":{"num_predict":2,"seed":9223372036854775807},"unknown":1e400, "messages":[{"content":"\\u0000 \\ud800 \\u003c","role":"user"}],"model":"llama3.2" }',
      '{"messages":[{"role":"user","content":"é🐝"}],"keep_alive":"5m","stream":false,"options":{"num_predict":2},"model":"LLAMA3.2"}\n',
      json({ stream: false, messages: [{ role: "user", content: "x".repeat(20_000_000) }], model: "llama3.2" }),
    ];
    for (const body of odd) {
      const answer = await world.send({ path: "/api/chat", body });
      expect(answer.status, body.slice(0, 80)).toBe(200);
      await answer.text();
      expect(holderOf(world, body)).toHaveLength(1);
    }
    for (const body of [
      '{"model":"llama3.2","model":"lonely","messages":[]}',
      '{"model":"llama3.2","MODEL":"lonely","messages":[]}',
      '{"model":"llama3.2","mode\\u006c":"lonely","messages":[]}',
      '{"model":"llama3.2","\\u212Aeep_alive":0,"keep_alive":5}',
      '{"model":"llama3.2","options":{"num_ctx":1,"NUM_CTX":2}}',
    ]) {
      const answer = await world.send({ path: "/api/chat", body });
      expect([answer.status, await answer.json()], body).toEqual([400, { error: expect.any(String) }]);
    }
  },
);

const large = simulatedOnly(27, "a 25 MB image passes, byte for byte", async (world) => {
  const image = randomBytes(18_750_000).toString("base64");
  expect(image.length).toBe(25_000_000);
  const body = json({ model: "seer", messages: [{ role: "user", content: "What?", images: [image] }], stream: false });
  const answer = await world.send({ path: "/api/chat", body });
  expect([answer.status, ((await answer.json()) as { done: boolean }).done]).toEqual([200, true]);
  expect(holderOf(world, body)).toHaveLength(1);
});

export const bodyCases: readonly ConformanceCase[] = [embeddings, capabilities, capable, exact, large];
