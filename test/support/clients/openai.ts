// The npm client `openai`: chat completions, and responses as a client of its own.
import OpenAI from "openai";
import type { Access, Asked, RealClient, Said } from "./client.ts";
import { WEATHER_INPUT } from "./client.ts";

/** Retries off: they would hide what Hive answers. */
const open = ({ url, token }: Access) => new OpenAI({ baseURL: `${url}/v1`, apiKey: token, maxRetries: 0 });
const chatTools = [{ type: "function" as const, function: { name: "get_weather", parameters: WEATHER_INPUT } }];
const responseTools = [
  { type: "function" as const, name: "get_weather", parameters: { ...WEATHER_INPUT }, strict: false },
];

function chatOf({ model, prompt, tools }: Asked) {
  return {
    model,
    messages: [{ role: "user" as const, content: prompt }],
    ...(tools === true ? { tools: chatTools } : {}),
  };
}

function saidOf({ choices, usage }: OpenAI.ChatCompletion, pieces: number): Said {
  const [choice] = choices;
  const calls = (choice?.message.tool_calls ?? []).flatMap((call) =>
    call.type === "function"
      ? [{ name: call.function.name, input: JSON.parse(call.function.arguments) as unknown }]
      : [],
  );
  return {
    text: choice?.message.content ?? "",
    calls,
    stop: choice?.finish_reason,
    outputTokens: usage?.completion_tokens,
    pieces,
  };
}

export const openaiChat: RealClient = {
  name: "openai",
  tools: true,
  whole: async (access, asked) => saidOf(await open(access).chat.completions.create(chatOf(asked)), 1),
  async streamed(access, asked) {
    const wanted = { ...chatOf(asked), stream_options: { include_usage: true } };
    const runner = open(access).chat.completions.stream(wanted);
    let pieces = 0;
    for await (const chunk of runner) if ((chunk.choices[0]?.delta.content ?? "") !== "") pieces += 1;
    return saidOf(await runner.finalChatCompletion(), pieces);
  },
  embed: async (access, model, input) => {
    const [row] = (await open(access).embeddings.create({ model, input })).data;
    return row?.embedding ?? [];
  },
  models: async (access) => (await open(access).models.list()).data.map((model) => model.id),
};

function responseOf({ model, prompt, tools }: Asked) {
  return { model, input: prompt, ...(tools === true ? { tools: responseTools } : {}) };
}

function saidByResponse({ output, output_text: text, status, usage }: OpenAI.Responses.Response, pieces: number): Said {
  const calls = output.flatMap((item) =>
    item.type === "function_call" ? [{ name: item.name, input: JSON.parse(item.arguments) as unknown }] : [],
  );
  return { text, calls, stop: status, outputTokens: usage?.output_tokens, pieces };
}

export const openaiResponses: RealClient = {
  name: "openai (responses)",
  tools: true,
  whole: async (access, asked) => saidByResponse(await open(access).responses.create(responseOf(asked)), 1),
  async streamed(access, asked) {
    const runner = open(access).responses.stream(responseOf(asked));
    let pieces = 0;
    for await (const event of runner) {
      if (event.type === "response.failed") throw new Error(event.response.error?.message ?? "response.failed");
      if (event.type === "response.output_text.delta") pieces += 1;
    }
    return saidByResponse(await runner.finalResponse(), pieces);
  },
};
