// /v1/responses: translate, then let the chat route answer.
import type { Exchange } from "../exchange.ts";
import type { GoNode } from "../go/go-scan.ts";
import type { Host } from "../host.ts";
import type { ChatMessage, ChatRequest, Tool } from "./native-requests.ts";
import type { ResponsesContent, ResponsesItem, ResponsesRequest } from "./responses-requests.ts";
import { answerChat } from "./chat.ts";
import { announceStream } from "../exchange.ts";
import { readFirstValue } from "../go/go-scan.ts";
import { GoCustomError, GoTypeError, decodeAs } from "../go/go-types.ts";
import { chatRequest, tool, toolParameters } from "./native-requests.ts";
import { EMPTY_MESSAGE, imageFromUrl, thinkOf } from "./openai-chat.ts";
import { translate } from "./openai.ts";
import { Refusal } from "../refusal.ts";
import { responsesRequest } from "./responses-requests.ts";
import { responsesVoice } from "./voice-responses.ts";

export async function handleResponses(host: Host, exchange: Exchange): Promise<void> {
  const translated = translate(exchange, responsesRequest, fromResponses);
  if (translated === undefined) return;
  const { given, request } = translated;
  if (request.stream === true) announceStream(exchange);
  await answerChat(host, exchange, {
    request,
    voice: responsesVoice(given),
    maxTokens: given.max_output_tokens ?? undefined,
    relaxThinking: false,
  });
}

/** The chat request that stands for a Responses one; throws Ollama's refusals. */
function fromResponses(given: ResponsesRequest): ChatRequest {
  const instructions = { ...EMPTY_MESSAGE, role: "system", content: given.instructions };
  const said =
    typeof given.input === "string"
      ? given.input === ""
        ? []
        : [{ ...EMPTY_MESSAGE, role: "user", content: given.input }]
      : fromItems(given.input);
  const format = given.text?.format;
  return {
    ...chatRequest.zero(),
    model: given.model,
    messages: [...(given.instructions === "" ? [] : [instructions]), ...said],
    stream: given.stream ?? false,
    tools: given.tools === null ? null : given.tools.map(fromTool),
    format: format?.type === "json_schema" && format.schema !== null ? asNode(format.schema) : null,
    think: thinkOf(given.reasoning.effort),
  };
}

function fromItems(items: readonly ResponsesItem[]): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let thinking = "";
  for (const item of items) {
    if (item.kind === "reasoning") thinking = item.thinking;
    if (item.kind === "message") {
      const role = item.role;
      messages.push({
        ...EMPTY_MESSAGE,
        role,
        ...fromContent(item.content),
        thinking: role === "assistant" ? thinking : "",
      });
      if (role === "assistant") thinking = "";
    }
    if (item.kind === "call") {
      addCall(messages, item, thinking);
      thinking = "";
    }
    if (item.kind === "output") {
      messages.push({ ...EMPTY_MESSAGE, role: "tool", ...fromContent(item.content), tool_call_id: item.callId });
    }
  }
  return thinking === "" ? messages : [...messages, { ...EMPTY_MESSAGE, role: "assistant", thinking }];
}

function addCall(messages: ChatMessage[], item: Extract<ResponsesItem, { kind: "call" }>, thinking: string): void {
  const call = { id: item.callId, function: { index: 0, name: item.name, arguments: parseArguments(item.arguments) } };
  const last = messages.at(-1);
  if (last?.role !== "assistant") {
    messages.push({ ...EMPTY_MESSAGE, role: "assistant", tool_calls: [call], thinking });
    return;
  }
  last.tool_calls = [...(last.tool_calls ?? []), call];
  if (thinking !== "") last.thinking = thinking;
}

function parseArguments(text: string): Record<string, unknown> {
  if (text === "") return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null) return { ...parsed };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Refusal(400, "failed to parse function call arguments: unexpected end of JSON input");
}

function fromContent(contents: readonly ResponsesContent[]): Pick<ChatMessage, "content" | "images"> {
  if (contents.some(({ type }) => type === "input_file")) {
    throw new Refusal(400, "file inputs are not currently supported");
  }
  const images = contents.filter(({ imageUrl }) => imageUrl !== "").map(({ imageUrl }) => imageFromUrl(imageUrl));
  return { content: contents.map(({ text }) => text).join(""), images: images.length === 0 ? null : images };
}

function fromTool(given: NonNullable<ResponsesRequest["tools"]>[number]): Tool {
  const empty = tool.zero();
  const name = given.type === "web_search" ? "web_search" : given.name;
  return {
    ...empty,
    type: given.type,
    function: { name, description: given.description ?? "", parameters: parametersOf(given.parameters) },
  };
}

function parametersOf(parameters: Record<string, unknown> | null): Tool["function"]["parameters"] {
  try {
    return decodeAs(toolParameters, asNode(parameters));
  } catch (error) {
    if (!(error instanceof GoTypeError || error instanceof GoCustomError)) throw error;
    throw new Refusal(400, `failed to unmarshal tool parameters: ${error.message}`);
  }
}

function asNode(value: unknown): GoNode {
  return readFirstValue(Buffer.from(JSON.stringify(value)));
}
