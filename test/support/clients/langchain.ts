// The npm client `@langchain/ollama`.
import { tool } from "@langchain/core/tools";
import type { AIMessageChunk } from "@langchain/core/messages";
import { ChatOllama, OllamaEmbeddings } from "@langchain/ollama";
import * as z from "zod";
import type { Access, Asked, RealClient, Said } from "./client.ts";

const headersOf = ({ token }: Access) => ({ authorization: `Bearer ${token}` });
const weather = tool(() => "sunny", {
  name: "get_weather",
  description: "The weather",
  schema: z.object({ city: z.string() }),
});

function open(access: Access, { model, tools }: Asked) {
  // Retries off: they would hide what Hive answers.
  const chat = new ChatOllama({ model, baseUrl: access.url, headers: headersOf(access), maxRetries: 0 });
  return tools === true ? chat.bindTools([weather]) : chat;
}

function saidOf(message: AIMessageChunk, pieces: number): Said {
  const { done_reason: stop } = message.response_metadata as { done_reason?: string };
  return {
    text: message.text,
    calls: (message.tool_calls ?? []).map(({ name, args }) => ({ name, input: args })),
    stop,
    outputTokens: message.usage_metadata?.output_tokens,
    pieces,
  };
}

export const langchain: RealClient = {
  name: "@langchain/ollama",
  tools: true,
  whole: async (access, asked) => saidOf(await open(access, asked).invoke(asked.prompt), 1),
  async streamed(access, asked) {
    let pieces = 0;
    let all: AIMessageChunk | undefined;
    for await (const chunk of await open(access, asked).stream(asked.prompt)) {
      if (chunk.text !== "") pieces += 1;
      all = all === undefined ? chunk : all.concat(chunk);
    }
    if (all === undefined) throw new Error("the stream was empty");
    return saidOf(all, pieces);
  },
  embed: async (access, model, input) =>
    await new OllamaEmbeddings({ model, baseUrl: access.url, headers: headersOf(access), maxRetries: 0 }).embedQuery(
      input,
    ),
};
