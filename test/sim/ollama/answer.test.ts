// What the simulated models say: always the same to the same question, in every API, and true to what was asked for.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { demoModel, simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { contentOf, post, postJson, postLines, says } from "./support.ts";

const MODELS = [
  simulatedModel({ name: "tiny", capabilities: ["completion", "tools", "insert"] }),
  simulatedModel({ name: "seer", capabilities: ["completion", "vision"] }),
  simulatedModel({ name: "thinker", capabilities: ["completion", "tools", "thinking"] }),
  simulatedModel({ name: "vectors", capabilities: ["embedding"], embeddingLength: 16 }),
];

let host: SimulatedOllama;
let other: SimulatedOllama;

beforeAll(async () => {
  host = await startSimulatedOllama({ models: [...MODELS, { ...demoModel, loadMs: 0 }] });
  other = await startSimulatedOllama({ models: MODELS });
});

afterAll(async () => {
  await host.close();
  await other.close();
});

function chat(content: string, more: object = {}): object {
  return { model: "tiny", messages: says(content), ...more };
}

describe("the text", () => {
  it("is the same on every host, streamed or not", async () => {
    const streamed = await postLines(host, "/api/chat", chat("why is honey sweet?"));
    const whole = await postJson(other, "/api/chat", chat("why is honey sweet?", { stream: false }));
    expect(contentOf(streamed)).toBe((whole["message"] as { content: string }).content);
    expect(streamed.length).toBeGreaterThan(20);
  });

  it("depends on prompt, seed and model", async () => {
    const asked = [
      chat("a"),
      chat("b"),
      chat("a", { options: { seed: 1 } }),
      chat("a", { options: { seed: 2 } }),
      chat("a", { model: "seer" }),
    ];
    const texts = await Promise.all(asked.map(async (body) => contentOf(await postLines(host, "/api/chat", body))));
    expect(new Set(texts).size).toBe(texts.length);
  });

  it("has exactly the tokens that num_predict asks for", async () => {
    const records = await postLines(host, "/api/chat", chat("count", { options: { num_predict: 123 } }));
    expect(records).toHaveLength(124);
    expect(records.at(-1)).toMatchObject({ done: true, done_reason: "length", eval_count: 123 });
  });

  it("goes on where a last message of the assistant ends, also inside a word", async () => {
    const text = contentOf(await postLines(host, "/api/chat", chat("tell me")));
    for (const cut of [0, 1, 17, 40, text.length - 1]) {
      const messages = [...says("tell me"), { role: "assistant", content: text.slice(0, cut) }];
      const rest = contentOf(await postLines(other, "/api/chat", { model: "tiny", messages }));
      expect(text.slice(0, cut) + rest).toBe(text);
    }
  });

  it("ends before a stop text", async () => {
    const text = contentOf(await postLines(host, "/api/chat", chat("stop")));
    const stop = text.slice(30, 34);
    const records = await postLines(host, "/api/chat", chat("stop", { options: { stop: [stop] } }));
    expect(contentOf(records)).toBe(text.slice(0, text.indexOf(stop)));
    expect(records.at(-1)).toMatchObject({ done_reason: "stop" });
  });

  it("says first that it is simulated when the demo model speaks", async () => {
    const answer = await postJson(host, "/api/generate", { model: "hive-demo", prompt: "hi", stream: false });
    expect(answer["response"]).toMatch(/^This is simulated text from hive-demo: no language model ran\./);
  });
});

describe("the last record", () => {
  it("counts and measures, and carries the context of a generate request alone", async () => {
    const [chatted] = (await postLines(host, "/api/chat", chat("x"))).slice(-1);
    const [generated] = (await postLines(host, "/api/generate", { model: "tiny", prompt: "x" })).slice(-1);
    for (const record of [chatted, generated]) {
      for (const field of ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration"]) {
        expect(record?.[field], field).toBeGreaterThan(0);
      }
    }
    expect(chatted).not.toHaveProperty("context");
    expect(generated?.["context"]).toEqual(expect.arrayContaining([expect.any(Number)]));
  });

  it("gives a context that continues the conversation", async () => {
    const first = await postJson(host, "/api/generate", { model: "tiny", prompt: "x", stream: false });
    const again = { model: "tiny", prompt: "y", stream: false };
    const fresh = await postJson(host, "/api/generate", again);
    const continued = await postJson(other, "/api/generate", { ...again, context: first["context"] });
    expect(continued["prompt_eval_count"]).toBeGreaterThan(Number(fresh["prompt_eval_count"]));
    expect(continued["response"]).not.toBe(fresh["response"]);
  });

  it("echoes the caller's spelling of the model", async () => {
    const records = await postLines(host, "/api/chat", chat("x", { model: " Library/TINY:Latest " }));
    expect(new Set(records.map((record) => record["model"]))).toEqual(new Set([" Library/TINY:Latest "]));
  });
});

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } },
  },
};

describe("tools", () => {
  it("are called when the last user message names them, with an object of arguments", async () => {
    const records = await postLines(host, "/api/chat", chat("use get_weather", { tools: [WEATHER] }));
    expect(records.at(-1)).toMatchObject({
      done: true,
      message: { tool_calls: [{ function: { index: 0, name: "get_weather", arguments: { city: "honey", days: 7 } } }] },
    });
  });

  it("have their arguments as text in the OpenAI style", async () => {
    const body = chat("use get_weather", { tools: [WEATHER] });
    const answer = await postJson(host, "/v1/chat/completions", body);
    expect(answer).toMatchObject({
      choices: [
        {
          finish_reason: "tool_calls",
          message: { tool_calls: [{ function: { name: "get_weather", arguments: '{"city":"honey","days":7}' } }] },
        },
      ],
    });
  });

  it("are not called for a message that does not name them, nor for the result of a call", async () => {
    const plain = await postJson(host, "/api/chat", chat("hello", { tools: [WEATHER], stream: false }));
    expect(plain["message"]).not.toHaveProperty("tool_calls");
    const messages = [...says("use get_weather"), { role: "tool", content: "get_weather says: sun" }];
    const after = await postJson(host, "/api/chat", { model: "tiny", messages, tools: [WEATHER], stream: false });
    expect(after["message"]).not.toHaveProperty("tool_calls");
  });
});

describe("format", () => {
  it("json gives JSON, and a schema gives what fits it", async () => {
    const free = await postJson(host, "/api/generate", { model: "tiny", prompt: "x", format: "json", stream: false });
    expect(() => JSON.parse(String(free["response"])) as unknown).not.toThrow();
    const format = {
      type: "object",
      properties: { age: { type: "integer" }, names: { type: "array", items: { enum: ["a", "b"] } } },
      required: ["age", "names"],
    };
    const shaped = contentOf(await postLines(host, "/api/chat", chat("x", { format })));
    expect(JSON.parse(shaped)).toEqual({ age: 7, names: ["a"] });
  });
});

describe("thinking", () => {
  it("comes before the content, unless it is switched off", async () => {
    const records = await postLines(host, "/api/chat", chat("x", { model: "thinker" }));
    const kinds = records.map((record) => ("thinking" in (record["message"] as object) ? "t" : "c")).join("");
    expect(kinds).toMatch(/^t+c+$/);
    const silent = await postLines(host, "/api/chat", chat("x", { model: "thinker", think: false }));
    expect(JSON.stringify(silent)).not.toContain('"thinking"');
  });

  it("is refused by a model that cannot, but not in the Anthropic style", async () => {
    const refused = await post(host, "/api/chat", chat("x", { think: true }));
    expect([refused.status, await refused.json()]).toEqual([400, { error: '"tiny" does not support thinking' }]);
    const relaxed = { ...chat("x"), max_tokens: 50, thinking: { type: "enabled", budget_tokens: 9 } };
    expect((await post(host, "/v1/messages", relaxed)).status).toBe(200);
  });
});

describe("images", () => {
  it("are for models that see, count as tokens, and change the answer", async () => {
    const withImage = (image: string): object => ({
      model: "seer",
      stream: false,
      messages: [{ role: "user", content: "what is it?", images: [image] }],
    });
    const one = await postJson(host, "/api/chat", withImage("aGk="));
    const two = await postJson(host, "/api/chat", withImage("aG8="));
    expect(one["prompt_eval_count"]).toBeGreaterThan(768);
    expect((one["message"] as { content: string }).content).not.toBe((two["message"] as { content: string }).content);
    const blind = await post(host, "/api/chat", { ...withImage("aGk="), model: "tiny" });
    expect(blind.status).toBe(500);
    expect(await blind.text()).toContain("image input is not supported");
  });
});

describe("log probabilities", () => {
  it("come with every token when asked for, with so many alternatives", async () => {
    const records = await postLines(host, "/api/chat", chat("x", { logprobs: true, top_logprobs: 3 }));
    for (const record of records.slice(0, -1)) {
      expect(record["logprobs"]).toMatchObject([{ token: contentOf([record]), top_logprobs: [{}, {}, {}] }]);
    }
  });
});

describe("embeddings", () => {
  it("are unit vectors in the order of the inputs, the same for the same text everywhere", async () => {
    const body = { model: "vectors", input: ["a", "b", "a"] };
    const answer = await postJson(host, "/api/embed", body);
    const [a = [], b, again] = answer["embeddings"] as number[][];
    expect(a).toHaveLength(16);
    expect(Math.hypot(...a)).toBeCloseTo(1, 5);
    expect(again).toEqual(a);
    expect(b).not.toEqual(a);
    expect((await postJson(other, "/api/embed", body))["embeddings"]).toEqual(answer["embeddings"]);
  });

  it("are cut to the dimensions asked for and stay unit vectors", async () => {
    const answer = await postJson(host, "/api/embed", { model: "vectors", input: "a", dimensions: 4 });
    const [vector = []] = answer["embeddings"] as number[][];
    expect(vector).toHaveLength(4);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  });

  it("are little-endian float32 in base64 for the OpenAI style", async () => {
    const plain = await postJson(host, "/api/embed", { model: "vectors", input: "a" });
    const body = { model: "vectors", input: "a", encoding_format: "base64" };
    const coded = (await postJson(host, "/v1/embeddings", body)) as { data?: { embedding: string }[] };
    const bytes = Buffer.from(coded.data?.[0]?.embedding ?? "", "base64");
    const floats = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(index * 4));
    expect(floats).toEqual((plain["embeddings"] as number[][])[0]?.map(Math.fround));
  });
});
