// /v1/messages: translate, then let the chat route answer.
import type { ContentBlock, MessagesRequest } from "./anthropic-requests.ts";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { ChatMessage, ChatRequest, Tool } from "./native-requests.ts";
import type { Think } from "./native-values.ts";
import { messagesRequest } from "./anthropic-requests.ts";
import { answerChat } from "./chat.ts";
import { announceStream } from "../exchange.ts";
import { GoCustomError, GoTypeError, decodeAs, illegalBase64At } from "../go/go-types.ts";
import { chatRequest, tool, toolParameters } from "./native-requests.ts";
import { EMPTY_MESSAGE } from "./openai-chat.ts";
import { translate } from "./openai.ts";
import { Refusal } from "../refusal.ts";
import { anthropicError, messagesVoice } from "./voice-anthropic.ts";

export async function handleMessages(host: Host, exchange: Exchange): Promise<void> {
  const translated = translate(exchange, messagesRequest, fromMessages, anthropicError);
  if (translated === undefined) return;
  const { given, request } = translated;
  if (given.stream) announceStream(exchange);
  await answerChat(host, exchange, {
    request,
    voice: messagesVoice(given.model, estimateTokens(given)),
    maxTokens: given.max_tokens,
    relaxThinking: true,
  });
}

/** The chat request that stands for an Anthropic style one; throws Ollama's refusals, in Ollama's order. */
function fromMessages(given: MessagesRequest): ChatRequest {
  if (given.model === "") throw new Refusal(400, "model is required");
  if (given.max_tokens <= 0) throw new Refusal(400, "max_tokens is required and must be positive");
  if ((given.messages ?? []).length === 0) throw new Refusal(400, "messages is required");
  const system = systemText(given.system);
  return {
    ...chatRequest.zero(),
    model: given.model,
    messages: [
      ...(system === "" ? [] : [{ ...EMPTY_MESSAGE, role: "system", content: system }]),
      ...(given.messages ?? []).flatMap((message) => fromMessage(message.role.toLowerCase(), message.content)),
    ],
    stream: given.stream,
    tools: given.tools === null ? null : given.tools.map(fromTool),
    think: thinkOf(given),
    options: (given.stop_sequences ?? []).length === 0 ? {} : { stop: given.stop_sequences },
  };
}

function systemText(system: unknown): string {
  if (typeof system === "string") return system;
  return Array.isArray(system) ? system.map(textOfBlock).join("") : "";
}

function textOfBlock(block: unknown): string {
  if (typeof block !== "object" || block === null || !("text" in block) || !("type" in block)) return "";
  return block.type === "text" && typeof block.text === "string" ? block.text : "";
}

function thinkOf(given: MessagesRequest): Think | null {
  if (given.thinking?.type === "enabled") return true;
  if (given.thinking?.type === "disabled") return false;
  const effort = given.output_config?.effort.trim().toLowerCase() ?? "";
  switch (effort === "xhigh" ? "high" : effort) {
    case "high":
      return "high";
    case "medium":
      return "medium";
    case "low":
      return "low";
    case "max":
      return "max";
    default:
      return null;
  }
}

function fromTool(given: NonNullable<MessagesRequest["tools"]>[number]): Tool {
  const empty = tool.zero();
  const builtIn = given.type.startsWith("web_search");
  return {
    ...empty,
    type: "function",
    function: {
      name: builtIn ? "web_search" : given.name,
      description: given.description,
      parameters: given.input_schema === null || builtIn ? empty.function.parameters : parametersOf(given),
    },
  };
}

function parametersOf(given: NonNullable<MessagesRequest["tools"]>[number]): Tool["function"]["parameters"] {
  try {
    return decodeAs(toolParameters, given.input_schema ?? { kind: "null" });
  } catch (error) {
    if (!(error instanceof GoTypeError || error instanceof GoCustomError)) throw error;
    throw new Refusal(400, `invalid input_schema for tool ${JSON.stringify(given.name)}: ${error.message}`);
  }
}

/** One message can become several: results of tools are messages of their own, and come first. */
function fromMessage(role: string, blocks: readonly ContentBlock[]): ChatMessage[] {
  const results = blocks.filter((block) => block.type === "tool_result").map(fromToolResult);
  const message: ChatMessage = {
    ...EMPTY_MESSAGE,
    role,
    content: blocks.map((block) => (block.type === "text" ? (block.text ?? "") : "")).join(""),
    images: blocks.filter((block) => block.type === "image").map(imageOf),
    thinking: blocks.findLast((block) => block.type === "thinking")?.thinking ?? "",
    tool_calls: blocks.filter((block) => block.type === "tool_use").map(fromToolUse),
  };
  const says =
    message.content !== "" ||
    message.thinking !== "" ||
    (message.images ?? []).length > 0 ||
    (message.tool_calls ?? []).length > 0;
  const said = says ? [message] : [];
  return role === "user" ? [...results, ...said] : [...said, ...results];
}

function fromToolUse(block: ContentBlock): NonNullable<ChatMessage["tool_calls"]>[number] {
  if (block.id === "") throw new Refusal(400, "tool_use block missing required 'id' field");
  if (block.name === "") throw new Refusal(400, "tool_use block missing required 'name' field");
  return { id: block.id, function: { index: 0, name: block.name, arguments: block.input } };
}

function fromToolResult(block: ContentBlock): ChatMessage {
  const content =
    typeof block.content === "string"
      ? block.content
      : Array.isArray(block.content)
        ? block.content.map(textOfBlock).join("")
        : "";
  return { ...EMPTY_MESSAGE, role: "tool", content, tool_call_id: block.tool_use_id };
}

function imageOf(block: ContentBlock): string {
  if (block.source === null) throw new Refusal(400, "invalid image source");
  const { type, data } = block.source;
  if (type !== "base64") {
    throw new Refusal(400, `invalid image source type: ${type}. Only base64 images are supported.`);
  }
  const wrong = illegalBase64At(data);
  if (wrong !== undefined) {
    throw new Refusal(400, `invalid base64 image data: illegal base64 data at input byte ${wrong}`);
  }
  return data;
}

/** Ollama's estimate for message_start: a quarter of the characters, one at least. */
function estimateTokens(given: MessagesRequest): number {
  const texts = (given.messages ?? []).flatMap((message) => [
    message.role,
    ...message.content.map((block) => (block.text ?? "") + (block.thinking ?? "")),
  ]);
  const tools = (given.tools ?? []).map((each) => each.name + each.description);
  const length = [systemText(given.system), ...texts, ...tools].join("").length;
  return Math.max(1, Math.floor(length / 4));
}
