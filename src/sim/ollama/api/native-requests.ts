// The request types of Ollama's own API (api/types.go), by their Go names and JSON keys.
import type { GoNode } from "../go/go-scan.ts";
import type { GoType } from "../go/go-types.ts";
import {
  GoCustomError,
  decodeAs,
  goAny,
  goBool,
  goBytes,
  goCustom,
  goInt,
  goMap,
  goPointer,
  goRaw,
  goSlice,
  goString,
  goStruct,
} from "../go/go-types.ts";
import { durationType, thinkType } from "./native-values.ts";

// What Ollama's ordered map says of anything that is not an object.
const NO_OBJECT = "Value looks like object, but can't find closing '}' symbol";

const options = goMap(goAny, "map[string]interface {}");

/** An object whose keys keep their order; what is in it is not looked at here. */
const orderedObject: GoType<Record<string, unknown> | null> = goCustom(
  "api.ToolCallFunctionArguments",
  () => null,
  (node) => {
    if (node.kind === "null") return {};
    if (node.kind !== "object") throw new GoCustomError(NO_OBJECT);
    return decodeAs(options, node);
  },
);

const toolCall = goStruct("api.ToolCall", {
  id: goString,
  function: goStruct("api.ToolCallFunction", { index: goInt, name: goString, arguments: orderedObject }),
});

const plainMessage = goStruct("api.Alias", {
  role: goString,
  content: goString,
  thinking: goString,
  images: goSlice(goBytes("api.ImageData")),
  tool_calls: goSlice(toolCall),
  tool_name: goString,
  tool_call_id: goString,
});

const message = goCustom("api.Message", plainMessage.zero, (node) => {
  const value = decodeAs(plainMessage, node);
  return { ...value, role: value.role.toLowerCase() };
});

export const toolParameters = goStruct("api.ToolFunctionParameters", {
  type: goString,
  $defs: goAny,
  items: goAny,
  required: goSlice(goString),
  properties: goPointer(goCustom("api.ToolPropertiesMap", () => null, readProperties)),
});

export const tool = goStruct("api.Tool", {
  type: goString,
  items: goAny,
  function: goStruct("api.ToolFunction", {
    name: goString,
    description: goString,
    parameters: toolParameters,
  }),
});

function readProperties(node: GoNode): Record<string, unknown> | null {
  if (node.kind === "null") return null;
  if (node.kind !== "object") throw new GoCustomError(NO_OBJECT);
  for (const [, value] of node.entries) decodeAs(toolProperty, value);
  return decodeAs(options, node);
}

/** Checked as Ollama types it, kept as the caller wrote it. */
const toolProperty = goStruct("api.ToolProperty", {
  anyOf: goSlice(goCustom("api.ToolProperty", () => null, checkProperty)),
  type: goCustom("api.PropertyType", () => null, readPropertyType),
  items: goAny,
  description: goString,
  enum: goSlice(goAny),
  properties: goPointer(goCustom("api.ToolPropertiesMap", () => null, readProperties)),
  required: goSlice(goString),
});

function checkProperty(node: GoNode): null {
  decodeAs(toolProperty, node);
  return null;
}

function readPropertyType(node: GoNode): null {
  if (node.kind !== "string") decodeAs(goSlice(goString), node);
  return null;
}

const inference = {
  model: goString,
  stream: goPointer(goBool),
  format: goRaw,
  keep_alive: goPointer(durationType),
  options,
  think: goPointer(thinkType),
  truncate: goPointer(goBool),
  shift: goPointer(goBool),
  _debug_render_only: goBool,
  logprobs: goBool,
  top_logprobs: goInt,
} as const;

export const generateRequest = goStruct("api.GenerateRequest", {
  ...inference,
  prompt: goString,
  suffix: goString,
  system: goString,
  template: goString,
  context: goSlice(goInt),
  raw: goBool,
  images: goSlice(goBytes("api.ImageData")),
});

export const chatRequest = goStruct("api.ChatRequest", {
  ...inference,
  messages: goSlice(message),
  tools: goSlice(tool, "api.Tools"),
});

export const embedRequest = goStruct("api.EmbedRequest", {
  model: goString,
  input: goAny,
  keep_alive: goPointer(durationType),
  truncate: goPointer(goBool),
  dimensions: goInt,
  options,
});

export const embeddingRequest = goStruct("api.EmbeddingRequest", {
  model: goString,
  prompt: goString,
  keep_alive: goPointer(durationType),
  options,
});

export const showRequest = goStruct("api.ShowRequest", {
  model: goString,
  system: goString,
  template: goString,
  verbose: goBool,
  options,
  name: goString,
});

const transfer = {
  model: goString,
  insecure: goBool,
  username: goString,
  password: goString,
  stream: goPointer(goBool),
  name: goString,
} as const;

export const pullRequest = goStruct("api.PullRequest", transfer);
export const pushRequest = goStruct("api.PushRequest", transfer);
export const deleteRequest = goStruct("api.DeleteRequest", { model: goString, name: goString });
export const copyRequest = goStruct("api.CopyRequest", { source: goString, destination: goString });

export const createRequest = goStruct("api.CreateRequest", {
  model: goString,
  stream: goPointer(goBool),
  quantize: goString,
  from: goString,
  files: goMap(goString),
  adapters: goMap(goString),
  template: goString,
  license: goAny,
  system: goString,
  parameters: options,
  messages: goSlice(message),
  name: goString,
  quantization: goString,
});

type ValueOf<T> = T extends GoType<infer V> ? V : never;
export type ChatMessage = ValueOf<typeof message>;
export type Tool = ValueOf<typeof tool>;
export type ToolCall = ValueOf<typeof toolCall>;
export type ChatRequest = ValueOf<typeof chatRequest>;
export type GenerateRequest = ValueOf<typeof generateRequest>;
