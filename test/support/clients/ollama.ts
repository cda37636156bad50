// The npm client `ollama`: chat, and generate as a client of its own.
import { Ollama } from "ollama";
import type { ChatResponse } from "ollama";
import type { Access, Asked, RealClient, Said } from "./client.ts";
import { WEATHER_INPUT } from "./client.ts";

const open = ({ url, token }: Access) => new Ollama({ host: url, headers: { authorization: `Bearer ${token}` } });
const tools = [
  { type: "function", function: { name: "get_weather", description: "The weather", parameters: WEATHER_INPUT } },
];

function chatOf({ model, prompt, tools: wanted }: Asked) {
  return { model, messages: [{ role: "user", content: prompt }], ...(wanted === true ? { tools } : {}) };
}

function callsOf({ message }: ChatResponse): Said["calls"] {
  return (message.tool_calls ?? []).map((call) => ({ name: call.function.name, input: call.function.arguments }));
}

export const ollamaChat: RealClient = {
  name: "ollama",
  tools: true,
  async whole(access, asked) {
    const answer = await open(access).chat({ ...chatOf(asked), stream: false });
    const { message, done_reason: stop, eval_count: outputTokens } = answer;
    return { text: message.content, calls: callsOf(answer), stop, outputTokens, pieces: 1 };
  },
  async streamed(access, asked) {
    const pieces: string[] = [];
    const calls: Said["calls"][number][] = [];
    let last: ChatResponse | undefined;
    for await (const part of await open(access).chat({ ...chatOf(asked), stream: true })) {
      if (part.message.content !== "") pieces.push(part.message.content);
      calls.push(...callsOf(part));
      last = part;
    }
    if (last?.done !== true) throw new Error("the stream ended without a last record");
    const { done_reason: stop, eval_count: outputTokens } = last;
    return { text: pieces.join(""), calls, stop, outputTokens, pieces: pieces.length };
  },
  embed: async (access, model, input) => (await open(access).embed({ model, input })).embeddings[0] ?? [],
  models: async (access) => (await open(access).list()).models.map((model) => model.name),
};

export const ollamaGenerate: RealClient = {
  name: "ollama (generate)",
  tools: false,
  async whole(access, { model, prompt }) {
    const answer = await open(access).generate({ model, prompt, stream: false });
    const { response, done_reason: stop, eval_count: outputTokens } = answer;
    return { text: response ?? "", calls: [], stop, outputTokens, pieces: 1 };
  },
  async streamed(access, { model, prompt }) {
    const pieces: string[] = [];
    let last: { done: boolean; done_reason: string; eval_count: number } | undefined;
    for await (const part of await open(access).generate({ model, prompt, stream: true })) {
      if ((part.response ?? "") !== "") pieces.push(part.response ?? "");
      last = part;
    }
    if (last?.done !== true) throw new Error("the stream ended without a last record");
    return {
      text: pieces.join(""),
      calls: [],
      stop: last.done_reason,
      outputTokens: last.eval_count,
      pieces: pieces.length,
    };
  },
};
