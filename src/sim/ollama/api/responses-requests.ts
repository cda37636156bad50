// The request type of /v1/responses (openai/responses.go), by its Go names and JSON keys.
import type { GoNode } from "../go/go-scan.ts";
import type { GoType } from "../go/go-types.ts";
import {
  GoCustomError,
  GoTypeError,
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

export type ResponsesContent = { readonly type: string; readonly text: string; readonly imageUrl: string };

export type ResponsesItem =
  | { readonly kind: "message"; readonly role: string; readonly content: readonly ResponsesContent[] }
  | { readonly kind: "call"; readonly callId: string; readonly name: string; readonly arguments: string }
  | { readonly kind: "output"; readonly callId: string; readonly content: readonly ResponsesContent[] }
  | { readonly kind: "reasoning"; readonly thinking: string }
  | { readonly kind: "ignored" };

type ResponsesInput = string | readonly ResponsesItem[];

const contentFields = goStruct("openai.ResponsesTextContent", {
  type: goString,
  text: goString,
  image_url: goString,
  file_data: goString,
});

// How Go spells struct types without a name.
const itemKind = goStruct(String.raw`struct { Type string "json:\"type\""; Role string "json:\"role\"" }`, {
  type: goString,
  role: goString,
});
const messageItem = goStruct("struct { … }", { type: goString, role: goString, content: goRaw });
const outputItem = goStruct("struct { … }", { type: goString, call_id: goString, output: goRaw });
const callItem = goStruct("openai.ResponsesFunctionCall", {
  id: goString,
  type: goString,
  call_id: goString,
  name: goString,
  arguments: goString,
});
const reasoningItem = goStruct("openai.ResponsesReasoningInput", {
  id: goString,
  type: goString,
  encrypted_content: goString,
});

const input = goCustom<ResponsesInput>("openai.ResponsesInput", () => "", readInput);

function readInput(node: GoNode): ResponsesInput {
  if (node.kind === "null") return "";
  if (node.kind === "string") return node.value;
  if (node.kind !== "array") {
    const wrong = new GoTypeError(node.kind, "[]json.RawMessage", { struct: "", field: "" });
    throw new GoCustomError(`input must be a string or array: ${wrong.message}`);
  }
  return node.items.map((item, index) => within(`input[${index}]`, () => readItem(item)));
}

/** Go's fmt.Errorf("…: %w"). */
function within<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof GoTypeError || error instanceof GoCustomError) {
      throw new GoCustomError(`${where}: ${error.message}`);
    }
    throw error;
  }
}

function readItem(node: GoNode): ResponsesItem {
  const { type, role } = decodeAs(itemKind, node);
  switch (type === "" && role !== "" ? "message" : type) {
    case "message": {
      const { content } = decodeAs(messageItem, node);
      return { kind: "message", role, content: readContents(content, "content") };
    }
    case "function_call": {
      const call = decodeAs(callItem, node);
      return { kind: "call", callId: call.call_id, name: call.name, arguments: call.arguments };
    }
    case "function_call_output": {
      const { call_id, output } = decodeAs(outputItem, node);
      return { kind: "output", callId: call_id, content: readContents(output, "output") };
    }
    case "reasoning":
      return { kind: "reasoning", thinking: decodeAs(reasoningItem, node).encrypted_content };
    case "web_search_call":
      return { kind: "ignored" };
    case "":
      throw new GoCustomError("input item missing required 'type' field");
    default:
      throw new GoCustomError(`unknown input item type: ${JSON.stringify(type)}`);
  }
}

function readContents(node: GoNode | null, where: string): ResponsesContent[] {
  if (node === null || node.kind === "null") return [];
  if (node.kind === "string") return [{ type: "input_text", text: node.value, imageUrl: "" }];
  if (node.kind !== "array") {
    const wrong = new GoTypeError(node.kind, "[]json.RawMessage", { struct: "", field: "" });
    throw new GoCustomError(`${where} must be a string or array: ${wrong.message}`);
  }
  return node.items.map((item, index) => within(`${where}[${index}]`, () => readContent(item)));
}

function readContent(node: GoNode): ResponsesContent {
  const { type, text, image_url } = decodeAs(contentFields, node);
  if (!["input_text", "output_text", "input_image", "input_file"].includes(type)) {
    throw new GoCustomError(`unknown content type: ${type}`);
  }
  return { type, text, imageUrl: image_url };
}

const responsesTool = goStruct("openai.ResponsesTool", {
  type: goString,
  name: goString,
  description: goPointer(goString),
  strict: goPointer(goBool),
  parameters: goMap(goAny, "map[string]interface {}"),
  tools: goSlice(goAny, "[]openai.ResponsesTool"),
});

export const responsesRequest = goStruct("openai.ResponsesRequest", {
  model: goString,
  background: goBool,
  conversation: goAny,
  include: goSlice(goString),
  input,
  instructions: goString,
  max_output_tokens: goPointer(goInt),
  reasoning: goStruct("openai.ResponsesReasoning", { effort: goString, generate_summary: goString, summary: goString }),
  temperature: goPointer(goFloat64),
  text: goPointer(
    goStruct("openai.ResponsesText", {
      format: goPointer(
        goStruct("openai.ResponsesTextFormat", {
          type: goString,
          name: goString,
          schema: goAny,
          strict: goPointer(goBool),
        }),
      ),
    }),
  ),
  top_p: goPointer(goFloat64),
  truncation: goPointer(goString),
  tools: goSlice(responsesTool),
  stream: goPointer(goBool),
});

type ValueOf<T> = T extends GoType<infer V> ? V : never;
export type ResponsesRequest = ValueOf<typeof responsesRequest>;
