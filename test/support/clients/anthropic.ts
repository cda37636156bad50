// The npm client `@anthropic-ai/sdk`.
import Anthropic from "@anthropic-ai/sdk";
import type { Access, Asked, RealClient, Said } from "./client.ts";
import { WEATHER_INPUT } from "./client.ts";

/** Retries off: they would hide what Hive answers. */
const open = ({ url, token }: Access) => new Anthropic({ baseURL: url, apiKey: token, authToken: null, maxRetries: 0 });

function messageOf({ model, prompt, tools }: Asked) {
  return {
    model,
    max_tokens: 500,
    messages: [{ role: "user" as const, content: prompt }],
    ...(tools === true ? { tools: [{ name: "get_weather", input_schema: WEATHER_INPUT }] } : {}),
  };
}

function saidOf({ content, stop_reason: stop, usage }: Anthropic.Message, pieces: number): Said {
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    calls: content.flatMap((block) => (block.type === "tool_use" ? [{ name: block.name, input: block.input }] : [])),
    stop: stop ?? undefined,
    outputTokens: usage.output_tokens,
    pieces,
  };
}

export const anthropicMessages: RealClient = {
  name: "@anthropic-ai/sdk",
  tools: true,
  whole: async (access, asked) => saidOf(await open(access).messages.create(messageOf(asked)), 1),
  async streamed(access, asked) {
    const runner = open(access).messages.stream(messageOf(asked));
    let pieces = 0;
    for await (const event of runner)
      if (event.type === "content_block_delta" && event.delta.type === "text_delta") pieces += 1;
    return saidOf(await runner.finalMessage(), pieces);
  },
  models: async (access) => {
    const names: string[] = [];
    for await (const model of open(access).models.list()) names.push(model.id);
    return names;
  },
};
