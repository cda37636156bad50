// /v1/chat/completions turned into a chat request, as Ollama's openai package does it.
import type { ChatMessage, ChatRequest } from "./native-requests.ts";
import type { Think } from "./native-values.ts";
import type { ChatCompletionRequest, OpenaiMessage } from "./openai-requests.ts";
import { illegalBase64At } from "../go/go-types.ts";
import { chatRequest } from "./native-requests.ts";
import { Refusal } from "../refusal.ts";

/** The chat request that stands for an OpenAI style one; throws Ollama's refusals. */
export function fromChatCompletion(request: ChatCompletionRequest): ChatRequest {
  const messages = (request.messages ?? []).flatMap((message) => fromMessage(message, request.messages ?? []));
  const schema = request.response_format?.json_schema?.schema ?? null;
  const formatType = request.response_format?.type.trim().toLowerCase();
  return {
    ...chatRequest.zero(),
    model: request.model,
    messages,
    stream: request.stream,
    tools: request.tools,
    format:
      formatType === "json_object" ? { kind: "string", value: "json" } : formatType === "json_schema" ? schema : null,
    think: thinkOf(request.reasoning === null ? (request.reasoning_effort ?? "") : request.reasoning.effort),
    options: { ...(request.seed === null ? {} : { seed: request.seed }), ...stopOption(request.stop) },
    logprobs: request.logprobs === true,
    top_logprobs: request.top_logprobs,
    _debug_render_only: request._debug_render_only,
  };
}

/** `stop` as a text or a list of texts. */
export function stopOption(stop: unknown): { stop?: string[] } {
  if (typeof stop === "string") return { stop: [stop] };
  if (Array.isArray(stop)) return { stop: stop.filter((text) => typeof text === "string") };
  return {};
}

/** An OpenAI reasoning effort in Ollama's levels. */
export function thinkOf(effort: string): Think | null {
  switch (effort) {
    case "":
      return null;
    case "none":
      return false;
    case "minimal":
      return "low";
    case "low":
    case "medium":
    case "high":
    case "max":
      return effort;
    case "xhigh":
    case "ultra":
      return "max";
    default:
      throw new Refusal(
        400,
        `invalid reasoning value: ${JSON.stringify(effort)} (must be "minimal", "low", "medium", "high", "xhigh", ` +
          '"ultra", "max", or "none")',
      );
  }
}

/** A message in which nothing is said. */
export const EMPTY_MESSAGE: ChatMessage = {
  role: "",
  content: "",
  thinking: "",
  images: null,
  tool_calls: null,
  tool_name: "",
  tool_call_id: "",
};

function fromMessage(message: OpenaiMessage, all: readonly OpenaiMessage[]): ChatMessage[] {
  const role = message.role.toLowerCase();
  const calls = {
    tool_calls: message.tool_calls === null ? null : message.tool_calls.map(fromToolCall),
    tool_name: role === "tool" ? message.name || nameOfCall(all, message.tool_call_id) : "",
    tool_call_id: message.tool_call_id,
    thinking: message.reasoning,
  };
  if (typeof message.content === "string") return [{ ...EMPTY_MESSAGE, role, content: message.content, ...calls }];
  if (Array.isArray(message.content)) {
    const parts = message.content.map((part: unknown) => ({ ...EMPTY_MESSAGE, role, ...fromPart(part) }));
    const last = parts.at(-1);
    return last === undefined || (message.tool_calls ?? []).length === 0
      ? parts
      : [...parts.slice(0, -1), { ...last, ...calls }];
  }
  if (message.tool_calls === null) {
    throw new Refusal(400, `invalid message content type: ${goTypeName(message.content)}`);
  }
  return [{ ...EMPTY_MESSAGE, role, ...calls }];
}

function fromPart(part: unknown): Partial<ChatMessage> {
  if (!isRecord(part)) throw new Refusal(400, "invalid message format");
  if (part["type"] === "text" && typeof part["text"] === "string") return { content: part["text"] };
  if (part["type"] === "image_url") {
    const given = part["image_url"];
    const url = isRecord(given) ? given["url"] : given;
    if (typeof url === "string") return { images: [imageFromUrl(url)] };
  }
  if (part["type"] === "input_audio") return { images: [audioFrom(part["input_audio"])] };
  throw new Refusal(400, "invalid message format");
}

function audioFrom(given: unknown): string {
  if (!isRecord(given)) throw new Refusal(400, "invalid input_audio format");
  const data = given["data"];
  if (typeof data !== "string") throw new Refusal(400, "invalid input_audio format: missing data");
  const wrong = illegalBase64At(data);
  if (wrong !== undefined) {
    throw new Refusal(400, `invalid input_audio base64 data: illegal base64 data at input byte ${wrong}`);
  }
  return data;
}

const IMAGE_PREFIX = /^data:(?:image\/(?:jpeg|jpg|png|webp))?;base64,/;

/** The base64 of an image in a data URL. */
export function imageFromUrl(url: string): string {
  if (/^https?:\/\//.test(url)) {
    throw new Refusal(400, "image URLs are not currently supported, please use base64 encoded data instead");
  }
  const data = url.replace(IMAGE_PREFIX, "");
  if (data === url || illegalBase64At(data) !== undefined) throw new Refusal(400, "invalid image input");
  return data;
}

type OpenaiToolCall = NonNullable<OpenaiMessage["tool_calls"]>[number];

function fromToolCall(call: OpenaiToolCall): NonNullable<ChatMessage["tool_calls"]>[number] {
  try {
    const parsed: unknown = JSON.parse(call.function.arguments);
    if (!isRecord(parsed)) throw new SyntaxError("not an object");
    return { id: call.id, function: { index: 0, name: call.function.name, arguments: parsed } };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(400, "invalid tool call arguments");
  }
}

function nameOfCall(messages: readonly OpenaiMessage[], id: string): string {
  const calls = messages.flatMap((message) => message.tool_calls ?? []);
  return id === "" ? "" : (calls.findLast((call) => call.id === id)?.function.name ?? "");
}

function goTypeName(value: unknown): string {
  if (value === null) return "<nil>";
  if (typeof value === "number") return "float64";
  return typeof value === "boolean" ? "bool" : "map[string]interface {}";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
