// The request type of /v1/messages (anthropic/anthropic.go), by its Go names and JSON keys.
import type { GoNode } from "../go/go-scan.ts";
import type { GoType } from "../go/go-types.ts";
import {
  GoCustomError,
  decodeAs,
  goAny,
  goBool,
  goCustom,
  goFloat64,
  goInt,
  goMap,
  goPointer,
  goRaw,
  goSlice,
  goString,
  goStruct,
} from "../go/go-types.ts";

const contentBlock = goStruct("anthropic.ContentBlock", {
  type: goString,
  text: goPointer(goString),
  source: goPointer(
    goStruct("anthropic.ImageSource", { type: goString, media_type: goString, data: goString, url: goString }),
  ),
  id: goString,
  name: goString,
  input: goMap(goAny, "map[string]interface {}"),
  tool_use_id: goString,
  content: goAny,
  is_error: goBool,
  thinking: goPointer(goString),
  signature: goString,
});

const contentBlocks = goSlice(contentBlock);
// How Go spells a struct type without a name.
const RAW_MESSAGE = String.raw`struct { Role string "json:\"role\""; Content json.RawMessage "json:\"content\"" }`;
const rawMessage = goStruct(RAW_MESSAGE, { role: goString, content: goRaw });

const messageParam = goCustom(
  "anthropic.MessageParam",
  (): { role: string; content: ContentBlock[] } => ({ role: "", content: [] }),
  (node: GoNode) => {
    const raw = decodeAs(rawMessage, node);
    if (raw.content === null) throw new GoCustomError("unexpected end of JSON input");
    // A text stands for one block of text, and null for an empty one.
    const text = raw.content.kind === "string" ? raw.content.value : raw.content.kind === "null" ? "" : undefined;
    if (text !== undefined) return { role: raw.role, content: [{ ...contentBlock.zero(), type: "text", text }] };
    return { role: raw.role, content: decodeAs(contentBlocks, raw.content) ?? [] };
  },
);

const anthropicTool = goStruct("anthropic.Tool", {
  type: goString,
  name: goString,
  description: goString,
  input_schema: goRaw,
  max_uses: goInt,
});

export const messagesRequest = goStruct("anthropic.MessagesRequest", {
  model: goString,
  max_tokens: goInt,
  messages: goSlice(messageParam),
  system: goAny,
  stream: goBool,
  temperature: goPointer(goFloat64),
  top_p: goPointer(goFloat64),
  top_k: goPointer(goInt),
  stop_sequences: goSlice(goString),
  tools: goSlice(anthropicTool),
  tool_choice: goPointer(
    goStruct("anthropic.ToolChoice", { type: goString, name: goString, disable_parallel_tool_use: goBool }),
  ),
  thinking: goPointer(goStruct("anthropic.ThinkingConfig", { type: goString, budget_tokens: goInt })),
  metadata: goPointer(goStruct("anthropic.Metadata", { user_id: goString })),
  output_config: goPointer(goStruct("anthropic.OutputConfig", { effort: goString })),
});

type ValueOf<T> = T extends GoType<infer V> ? V : never;
export type ContentBlock = ValueOf<typeof contentBlock>;
export type MessagesRequest = ValueOf<typeof messagesRequest>;
