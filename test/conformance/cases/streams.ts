// Cases about answers that stream: what is in them, when it comes, and how they end when a host dies.
import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { expect } from "vitest";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { cutRecords, expectSame, json } from "../exchange.ts";
import type { World } from "../world.ts";

const messages = [{ role: "user", content: "Why is the sky blue?" }];
const options = { seed: 7, temperature: 0, num_predict: 12 };

/** Arms a fault on every host, so that it strikes wherever the request goes, and takes it away again. */
async function withFault<Value>(
  world: World,
  fault: Parameters<ReturnType<World["ollama"]>["setFault"]>[0],
  run: () => Promise<Value>,
): Promise<Value> {
  const hosts = world.fleet.hosts.map(({ ollama }) => ollama);
  await Promise.all(hosts.map(async (ollama) => await ollama.setFault(fault)));
  try {
    return await run();
  } finally {
    await Promise.all(hosts.map(async (ollama) => await ollama.clearFaults()));
  }
}

/** Reads records until there are so many, and leaves. */
async function readRecords(response: Response, count: number): Promise<string[]> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) throw new Error("no body");
  let text = "";
  const records = () => cutRecords(text, response.headers.get("content-type")).filter((record) => record.trim() !== "");
  while (records().length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return records();
}

const streamed = anyHost(1, "a streamed chat is the host's, record by record", async (world) => {
  const chat = { model: world.models.chat, messages, options };
  const { contentType, records } = await expectSame(world, { path: "/api/chat", body: json(chat) });
  expect(contentType).toBe("application/x-ndjson");
  expect(records.length).toBeGreaterThan(2);
  expect(
    JSON.parse(records.at(-2) === undefined ? "" : (records.filter((line) => line !== "").at(-1) ?? "")),
  ).toMatchObject({ done: true, eval_count: expect.any(Number) });
  await expectSame(world, { path: "/api/generate", body: json({ model: world.models.chat, prompt: "One", options }) });
  await expectSame(world, { path: "/api/chat", body: json({ ...chat, stream: false }) });
  const compatible = { model: world.models.chat, messages, stream: true, max_tokens: 12, seed: 7, temperature: 0 };
  for (const path of ["/v1/chat/completions", "/v1/messages"])
    await expectSame(world, { path, body: json(compatible) });
  const response = { model: world.models.chat, input: "Why?", stream: true, max_output_tokens: 12, temperature: 0 };
  await expectSame(world, { path: "/v1/responses", body: json(response) });
  const completion = { model: world.models.chat, prompt: "One", stream: true, max_tokens: 12, seed: 7, temperature: 0 };
  await expectSame(world, { path: "/v1/completions", body: json(completion) });
});

const unbuffered = simulatedOnly(2, "each record reaches the client before the host makes the next", async (world) => {
  // The host makes three tokens and then nothing more: what a buffer held back would never come.
  await withFault(world, { kind: "hang", afterTokens: 3, model: "brittle" }, async () => {
    const native = await world.send({ path: "/api/chat", body: json({ model: "brittle", messages }) });
    expect(await readRecords(native, 3)).toHaveLength(3);
    const body = json({ model: "brittle", messages, stream: true });
    const openai = await world.send({ path: "/v1/chat/completions", body });
    expect(await readRecords(openai, 3)).toHaveLength(3);
  });
});

interface Broken {
  readonly native: string;
  readonly openai: string;
  readonly anthropic: string;
  readonly responses: string;
  readonly whole: { readonly status: number; readonly text: string };
}

let deaths: Promise<Broken> | undefined;

/** Streams whose host died, all at once: a host that died is left alone for seconds. */
async function breakStreams(world: World): Promise<Broken> {
  const body = json({ model: "brittle", messages, stream: true, max_tokens: 50 });
  const ask = async (path: string, given = body) => await (await world.send({ path, body: given })).text();
  const askWhole = async () => {
    const given = json({ model: "brittle", messages, stream: false });
    const response = await world.send({ path: "/v1/chat/completions", body: given });
    return { status: response.status, text: await response.text() };
  };
  return await withFault(world, { kind: "die", atToken: 4, model: "brittle" }, async () => {
    const [native, openai, anthropic, responses, whole] = await Promise.all([
      ask("/api/chat"),
      ask("/v1/chat/completions"),
      ask("/v1/messages"),
      ask("/v1/responses", json({ model: "brittle", input: "Why?", stream: true })),
      askWhole(),
    ]);
    return { native, openai, anthropic, responses, whole };
  });
}

/** A client's `fetch` that gives what was recorded. */
function replay(text: string, contentType: string): typeof fetch {
  return async () => new Response(text, { headers: { "content-type": contentType } });
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const part of stream) void part;
}

const replaced = simulatedOnly(8, "a host that dies before a whole answer is replaced by another", async (world) => {
  await world.ollama("b").setFault({ kind: "die", atToken: 4, model: "brittle" });
  const body = json({ model: "brittle", messages, stream: false });
  const answers = await Promise.all(
    [1, 2, 3].map(async () => {
      const response = await world.send({ path: "/api/chat", body });
      return { status: response.status, answer: (await response.json()) as { done?: boolean } };
    }),
  );
  expect(answers).toEqual(answers.map(() => ({ status: 200, answer: expect.objectContaining({ done: true }) })));
  await world.ollama("b").clearFaults();
});

const half = simulatedOnly(
  8,
  "where every host dies a whole answer is an error, and never half of one",
  async (world) => {
    const { status, text } = (await (deaths ??= breakStreams(world))).whole;
    expect(status).toBeGreaterThanOrEqual(500);
    expect(JSON.parse(text)).toMatchObject({ error: { message: expect.any(String), type: "api_error" } });
  },
);

const broken = simulatedOnly(6, "a host that dies in an NDJSON stream ends it with an error record", async (world) => {
  const { native } = await (deaths ??= breakStreams(world));
  expect(native.endsWith("\n")).toBe(true);
  const lines = native
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { done?: boolean; error?: unknown });
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.at(-1)?.error).toEqual(expect.any(String));
  expect(lines.slice(0, -1).every((line) => line.done === false)).toBe(true);
  const client = new Ollama({ host: world.fleet.url, fetch: replay(native, "application/x-ndjson") });
  const reading = async () => await drain(await client.chat({ model: "brittle", messages, stream: true }));
  await expect(reading()).rejects.toThrow(/incomplete/);
});

const brokenEvents = simulatedOnly(
  7,
  "a host that dies in an SSE stream ends it with the API's own error event",
  async (world) => {
    const { openai, anthropic, responses } = await (deaths ??= breakStreams(world));
    expect(openai).not.toContain("[DONE]");
    const last = cutRecords(openai, "text/event-stream")
      .filter((event) => event !== "")
      .at(-1);
    expect(JSON.parse((last ?? "").replace(/^data: /, ""))).toMatchObject({ error: { type: "api_error", code: null } });
    expect(anthropic).toMatch(/event: error\ndata: \{"type":"error".*\n\n$/);
    expect(responses).toMatch(/event: response\.failed\ndata: .*"status":"failed".*\n\n$/);
    const openaiClient = new OpenAI({ apiKey: "none", fetch: replay(openai, "text/event-stream") });
    const asked = { model: "brittle", messages: [{ role: "user" as const, content: "hi" }] };
    const readOpenai = async () => await drain(await openaiClient.chat.completions.create({ ...asked, stream: true }));
    await expect(readOpenai()).rejects.toThrow(/incomplete/);
    const anthropicClient = new Anthropic({ apiKey: "none", fetch: replay(anthropic, "text/event-stream") });
    const readAnthropic = async () => await drain(anthropicClient.messages.stream({ ...asked, max_tokens: 50 }));
    await expect(readAnthropic()).rejects.toThrow(/incomplete/);
  },
);

const framing = simulatedOnly(30, "writes that split records and characters change nothing", async (world) => {
  const body = json({ model: "brittle", messages, options });
  const events = json({ model: "brittle", messages, stream: true, max_tokens: 12 });
  const expected = await expectSame(world, { path: "/api/chat", body });
  const expectedEvents = await expectSame(world, { path: "/v1/chat/completions", body: events });
  for (const frames of ["single_bytes", "split_utf8"] as const) {
    await withFault(world, { kind: "frames", frames, model: "brittle" }, async () => {
      expect(await expectSame(world, { path: "/api/chat", body })).toEqual(expected);
      expect(await expectSame(world, { path: "/v1/chat/completions", body: events })).toEqual(expectedEvents);
    });
  }
});

const silence = simulatedOnly(
  31,
  "silence longer than the leg's keep-alive, before and between tokens, ends nothing",
  async (world) => {
    const observed = await world.silent;
    const { status, records = [] } = observed ?? {};
    expect(status).toBe(200);
    expect(records.filter((line) => line !== "").map((line) => (JSON.parse(line) as { done: boolean }).done)).toEqual([
      false,
      false,
      true,
    ]);
  },
);

const uncompressed = anyHost(37, "no stream is compressed, whatever the client accepts", async (world) => {
  const headers = { "accept-encoding": "gzip, br, zstd" };
  const native = json({ model: world.models.chat, messages, options });
  expect((await expectSame(world, { path: "/api/chat", body: native, headers })).encoding).toBeNull();
  const events = json({ model: world.models.chat, messages, stream: true, max_tokens: 12, seed: 7, temperature: 0 });
  expect((await expectSame(world, { path: "/v1/chat/completions", body: events, headers })).encoding).toBeNull();
  const answer = await world.send({ path: "/api/chat", body: native, headers });
  expect(answer.headers.get("cache-control")).toContain("no-transform");
  await answer.text();
});

export const streamCases: readonly ConformanceCase[] = [streamed, unbuffered, framing, silence, uncompressed];
/** Every host is left alone for some seconds after these. */
export const dyingCases: readonly ConformanceCase[] = [replaced, half, broken, brokenEvents];
