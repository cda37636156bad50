// The clients that people use, unchanged, against the simulated host.
import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../../src/sim/ollama/server.ts";

let host: SimulatedOllama;
let ollama: Ollama;
let openai: OpenAI;
let anthropic: Anthropic;

const MODEL = "llama3.2";
const HI = [{ role: "user" as const, content: "hi" }];

beforeAll(async () => {
  host = await startSimulatedOllama({
    models: [simulatedModel({ name: MODEL, capabilities: ["completion", "tools", "embedding"] })],
    registry: [simulatedModel({ name: "far" })],
  });
  ollama = new Ollama({ host: host.url });
  openai = new OpenAI({ baseURL: `${host.url}/v1`, apiKey: "none", maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: host.url, apiKey: "none", maxRetries: 0 });
});

afterAll(() => host.close());

describe("ollama-js", () => {
  it("chats, whole and streamed, with the same words", async () => {
    const whole = await ollama.chat({ model: MODEL, messages: HI });
    let text = "";
    for await (const part of await ollama.chat({ model: MODEL, messages: HI, stream: true }))
      text += part.message.content;
    expect(text).toBe(whole.message.content);
    expect(whole.eval_count).toBeGreaterThan(0);
  });

  it("generates, embeds, lists, shows, pulls, copies and deletes", async () => {
    expect((await ollama.generate({ model: MODEL, prompt: "x" })).response).not.toBe("");
    expect((await ollama.embed({ model: MODEL, input: ["a", "b"] })).embeddings).toHaveLength(2);
    expect((await ollama.list()).models.map(({ name }) => name)).toContain(`${MODEL}:latest`);
    expect((await ollama.ps()).models[0]?.name).toBe(`${MODEL}:latest`);
    expect((await ollama.show({ model: MODEL })).capabilities).toContain("tools");
    expect(await ollama.version()).toEqual({ version: "0.33.0" });
    expect(await ollama.pull({ model: "far" })).toEqual({ status: "success" });
    await ollama.copy({ source: "far", destination: "near" });
    expect(await ollama.delete({ model: "near" })).toMatchObject({ status: "success" });
  });

  it("raises the error texts", async () => {
    await expect(ollama.chat({ model: "nope", messages: HI })).rejects.toThrow("model 'nope' not found");
    await expect(ollama.pull({ model: "nope", stream: false })).rejects.toThrow("file does not exist");
  });

  it("raises an error record in a stream", async () => {
    await host.setFault({ kind: "crash", atToken: 1, times: 1 });
    const reading = (async () => {
      for await (const part of await ollama.chat({ model: MODEL, messages: HI, stream: true }))
        expect(part.done).toBe(false);
    })();
    await expect(reading).rejects.toThrow("an error was encountered while running the model");
  });
});

describe("openai-node", () => {
  it("completes chats, whole and streamed, with usage", async () => {
    const whole = await openai.chat.completions.create({ model: MODEL, messages: HI });
    const stream = await openai.chat.completions.create({
      model: MODEL,
      messages: HI,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let total = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      total += chunk.usage?.total_tokens ?? 0;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(total).toBe(whole.usage?.total_tokens);
    expect(whole.choices[0]?.finish_reason).toBe("stop");
  });

  it("stops at max_tokens", async () => {
    const answer = await openai.chat.completions.create({ model: MODEL, messages: HI, max_tokens: 3 });
    expect(answer).toMatchObject({ usage: { completion_tokens: 3 }, choices: [{ finish_reason: "length" }] });
  });

  it("gets tool calls from its stream helper", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const runner = openai.chat.completions.stream({
      model: MODEL,
      messages: [{ role: "user", content: "call get_weather" }],
      tools: [{ type: "function", function: { name: "get_weather", parameters } }],
    });
    const { choices } = await runner.finalChatCompletion();
    expect(choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { tool_calls: [{ function: { name: "get_weather", arguments: '{"city":"honey"}' } }] },
    });
  });

  it("decodes embeddings that it asked for in base64 without saying so", async () => {
    const { data } = await openai.embeddings.create({ model: MODEL, input: "a" });
    expect(data[0]?.embedding).toHaveLength(768);
    expect(Math.hypot(...(data[0]?.embedding ?? []))).toBeCloseTo(1, 4);
  });

  it("uses completions, responses, models and transcriptions", async () => {
    expect((await openai.completions.create({ model: MODEL, prompt: "x" })).choices[0]?.text).not.toBe("");
    const response = await openai.responses.create({ model: MODEL, input: "hi" });
    let text = "";
    for await (const event of await openai.responses.create({ model: MODEL, input: "hi", stream: true })) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    expect(text).toBe(response.output_text);
    expect((await openai.models.list()).data.map(({ id }) => id)).toContain(`${MODEL}:latest`);
    expect(await openai.models.retrieve(MODEL)).toMatchObject({ id: MODEL, owned_by: "library" });
  });

  it("raises errors with their status", async () => {
    const asking = openai.chat.completions.create({ model: "nope", messages: HI });
    await expect(asking).rejects.toMatchObject({ status: 404, type: "not_found_error" });
  });
});

describe("the Anthropic SDK", () => {
  it("gets messages, whole and streamed", async () => {
    const asked = { model: MODEL, max_tokens: 500, messages: HI };
    const whole = await anthropic.messages.create(asked);
    const streamed = await anthropic.messages.stream(asked).finalMessage();
    expect(whole.stop_reason).toBe("end_turn");
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.usage).toMatchObject({ output_tokens: whole.usage.output_tokens });
  });

  it("gets tool use with its input", async () => {
    const message = await anthropic.messages
      .stream({
        model: MODEL,
        max_tokens: 500,
        messages: [{ role: "user", content: "call get_weather" }],
        tools: [{ name: "get_weather", input_schema: { type: "object", properties: { city: { type: "string" } } } }],
      })
      .finalMessage();
    expect(message).toMatchObject({
      stop_reason: "tool_use",
      content: [{ type: "tool_use", name: "get_weather", input: { city: "honey" } }],
    });
  });

  it("raises errors with their type", async () => {
    const asking = anthropic.messages.create({ model: "nope", max_tokens: 5, messages: HI });
    await expect(asking).rejects.toMatchObject({ status: 404, type: "not_found_error" });
  });
});
