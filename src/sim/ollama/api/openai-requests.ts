// The request types of the OpenAI style routes (openai/openai.go), by their Go names and JSON keys.
import type { GoType } from "../go/go-types.ts";
import {
  goAny,
  goBool,
  goFloat32,
  goFloat64,
  goInt,
  goPointer,
  goRaw,
  goSlice,
  goString,
  goStruct,
} from "../go/go-types.ts";
import { tool } from "./native-requests.ts";

// How Go spells a struct type without a name.
const CALLED_FUNCTION = String.raw`struct { Name string "json:\"name\""; Arguments string "json:\"arguments\"" }`;

const toolCall = goStruct("openai.ToolCall", {
  id: goString,
  index: goInt,
  type: goString,
  function: goStruct(CALLED_FUNCTION, { name: goString, arguments: goString }),
});

const message = goStruct("openai.Message", {
  role: goString,
  content: goAny,
  reasoning: goString,
  tool_calls: goSlice(toolCall),
  name: goString,
  tool_call_id: goString,
});

const streamOptions = goPointer(goStruct("openai.StreamOptions", { include_usage: goBool }));

export const chatCompletionRequest = goStruct("openai.ChatCompletionRequest", {
  model: goString,
  messages: goSlice(message),
  stream: goBool,
  stream_options: streamOptions,
  max_tokens: goPointer(goInt),
  seed: goPointer(goInt),
  stop: goAny,
  temperature: goPointer(goFloat64),
  frequency_penalty: goPointer(goFloat64),
  presence_penalty: goPointer(goFloat64),
  top_p: goPointer(goFloat64),
  response_format: goPointer(
    goStruct("openai.ResponseFormat", {
      type: goString,
      json_schema: goPointer(goStruct("openai.JsonSchema", { schema: goRaw })),
    }),
  ),
  tools: goSlice(tool),
  reasoning: goPointer(goStruct("openai.Reasoning", { effort: goString })),
  reasoning_effort: goPointer(goString),
  logprobs: goPointer(goBool),
  top_logprobs: goInt,
  _debug_render_only: goBool,
});

export const completionRequest = goStruct("openai.CompletionRequest", {
  model: goString,
  prompt: goString,
  frequency_penalty: goFloat32,
  max_tokens: goPointer(goInt),
  presence_penalty: goFloat32,
  seed: goPointer(goInt),
  stop: goAny,
  stream: goBool,
  stream_options: streamOptions,
  temperature: goPointer(goFloat32),
  top_p: goFloat32,
  suffix: goString,
  logprobs: goPointer(goInt),
  _debug_render_only: goBool,
});

export const openaiEmbedRequest = goStruct("openai.EmbedRequest", {
  input: goAny,
  model: goString,
  dimensions: goInt,
  encoding_format: goString,
});

type ValueOf<T> = T extends GoType<infer V> ? V : never;
export type ChatCompletionRequest = ValueOf<typeof chatCompletionRequest>;
export type OpenaiMessage = ValueOf<typeof message>;
