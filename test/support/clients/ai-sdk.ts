// The npm client `ai` with the provider `ollama-ai-provider-v2`.
import { embed, generateText, jsonSchema, streamText, tool } from "ai";
import { createOllama } from "ollama-ai-provider-v2";
import type { Access, Asked, RealClient, Said } from "./client.ts";
import { WEATHER_INPUT } from "./client.ts";

const open = ({ url, token }: Access) =>
  createOllama({ baseURL: `${url}/api`, headers: { authorization: `Bearer ${token}` } });
const tools = { get_weather: tool({ description: "The weather", inputSchema: jsonSchema(WEATHER_INPUT) }) };

function callOf(access: Access, { model, prompt, tools: wanted }: Asked) {
  // Retries off: they would hide what Hive answers.
  const call = { model: open(access)(model), prompt, maxRetries: 0 };
  return wanted === true ? { ...call, tools } : call;
}

interface Answered {
  readonly text: string;
  readonly toolCalls: readonly { readonly toolName: string; readonly input: unknown }[];
  readonly finishReason: string;
  readonly usage: { readonly outputTokens: number | undefined };
}

function saidOf(answer: Answered, pieces: number): Said {
  return {
    text: answer.text,
    calls: answer.toolCalls.map(({ toolName, input }) => ({ name: toolName, input })),
    stop: answer.finishReason,
    outputTokens: answer.usage.outputTokens,
    pieces,
  };
}

export const aiSdk: RealClient = {
  name: "ai + ollama-ai-provider-v2",
  tools: true,
  dropsErrorRecords: true,
  whole: async (access, asked) => saidOf(await generateText(callOf(access, asked)), 1),
  async streamed(access, asked) {
    // What goes wrong is a part of the stream; the default handler prints it.
    const result = streamText({ ...callOf(access, asked), onError: () => undefined });
    let pieces = 0;
    for await (const part of result.stream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") pieces += 1;
    }
    const [text, toolCalls, finishReason, usage] = await Promise.all([
      result.text,
      result.toolCalls,
      result.finishReason,
      result.usage,
    ]);
    return saidOf({ text, toolCalls, finishReason, usage }, pieces);
  },
  embed: async (access, model, input) => {
    const { embedding } = await embed({ model: open(access).embedding(model), value: input, maxRetries: 0 });
    return embedding;
  },
};
