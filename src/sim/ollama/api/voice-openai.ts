// The words of /v1/chat/completions and /v1/completions, as Ollama makes them out of its own records.
import type { Piece, ToolCallPiece, Voice } from "./voice.ts";
import { goJson } from "../go/go-json.ts";

export const EVENT_STREAM = "text/event-stream";
const PLAIN_JSON = "application/json";
const FINGERPRINT = "fp_ollama";

/** The error object of the OpenAI style routes. */
export function openaiError(status: number, message: string): object {
  const type = status === 400 ? "invalid_request_error" : status === 404 ? "not_found_error" : "api_error";
  return { error: { message, type, param: null, code: null } };
}

export const openaiFailure = {
  failureType: PLAIN_JSON,
  failure: (status: number, message: string) => `${goJson(openaiError(status, message))}\n`,
};

function sse(value: unknown): string {
  return `data: ${goJson(value)}\n\n`;
}

function randomId(prefix: string): string {
  return `${prefix}-${Math.floor(Math.random() * 999)}`;
}

/** Voice of one /v1/chat/completions request. */
export function chatCompletionVoice(includeUsage: boolean): Voice {
  const id = randomId("chatcmpl");
  const stream = { begun: false, created: 0, toolCalls: false };
  const chunk = (model: string, choice: object): object => ({
    id,
    object: "chat.completion.chunk",
    created: stream.created,
    model,
    system_fingerprint: FINGERPRINT,
    choices: [choice],
  });

  const spoken = (piece: Piece): string => {
    const role = stream.begun ? {} : { role: "assistant" };
    stream.begun = true;
    const tools = piece.toolCalls.length === 0 ? {} : { tool_calls: piece.toolCalls.map(openaiToolCall) };
    const reasoning = piece.thinking === "" ? {} : { reasoning: piece.thinking };
    const logprobs = piece.logprobs.length === 0 ? {} : { logprobs: { content: piece.logprobs } };
    const rest = { finish_reason: null, ...logprobs };
    const mixed = piece.thinking !== "" && (piece.content !== "" || piece.toolCalls.length > 0);
    if (!mixed) {
      return sse(
        chunk(piece.model, { index: 0, delta: { ...role, content: piece.content, ...reasoning, ...tools }, ...rest }),
      );
    }
    const first = chunk(piece.model, { index: 0, delta: { ...role, ...reasoning }, ...rest });
    const second = chunk(piece.model, { index: 0, delta: { content: piece.content, ...tools }, finish_reason: null });
    return sse(first) + sse(second);
  };

  const finish = (piece: Piece): string => {
    const reason = piece.doneReason === "stop" && stream.toolCalls ? "tool_calls" : piece.doneReason || "stop";
    const last = chunk(piece.model, { index: 0, delta: {}, finish_reason: reason });
    const total = includeUsage ? sse({ ...last, choices: [], usage: usage(piece) }) : "";
    return `${sse(last)}${total}data: [DONE]\n\n`;
  };

  return {
    ...openaiFailure,
    streamType: EVENT_STREAM,
    wholeType: PLAIN_JSON,
    whole: (piece) => `${goJson(chatCompletion(id, piece))}\n`,
    records(piece) {
      if (!stream.begun) stream.created = Math.floor(piece.createdAt / 1000);
      stream.toolCalls ||= piece.toolCalls.length > 0;
      const says = !(piece.done && stream.begun && isSilent(piece));
      return [(says ? spoken(piece) : "") + (piece.done ? finish(piece) : "")];
    },
    // Ollama decodes its own error record as a chat record in which nothing is set.
    crashed: () => [sse(chunk("", { index: 0, delta: { content: "" }, finish_reason: null }))],
  };
}

function isSilent(piece: Piece): boolean {
  return piece.content === "" && piece.thinking === "" && piece.toolCalls.length === 0 && piece.logprobs.length === 0;
}

function chatCompletion(id: string, piece: Piece): object {
  const reason = piece.doneReason === "stop" && piece.toolCalls.length > 0 ? "tool_calls" : piece.doneReason;
  return {
    id,
    object: "chat.completion",
    created: Math.floor(piece.createdAt / 1000),
    model: piece.model,
    system_fingerprint: FINGERPRINT,
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: piece.content,
          ...(piece.thinking === "" ? {} : { reasoning: piece.thinking }),
          ...(piece.toolCalls.length === 0 ? {} : { tool_calls: piece.toolCalls.map(openaiToolCall) }),
        },
        finish_reason: reason === "" ? null : reason,
        ...(piece.logprobs.length === 0 ? {} : { logprobs: { content: piece.logprobs } }),
      },
    ],
    usage: usage(piece),
  };
}

/** A tool call with its arguments as text. */
function openaiToolCall(call: ToolCallPiece, index: number): object {
  return { id: call.id, index, type: "function", function: { name: call.name, arguments: goJson(call.arguments) } };
}

function usage(piece: Piece): object {
  const prompt = piece.metrics?.prompt_eval_count ?? 0;
  const completion = piece.metrics?.eval_count ?? 0;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** Voice of one /v1/completions request. */
export function completionVoice(includeUsage: boolean): Voice {
  const id = randomId("cmpl");
  const choice = (piece: Piece): object => ({
    text: piece.content,
    index: 0,
    finish_reason: piece.doneReason === "" ? null : piece.doneReason,
  });
  const chunk = (piece: Piece, choices: object[], counted: object | undefined): string =>
    sse({
      id,
      object: "text_completion",
      created: Math.floor(Date.now() / 1000),
      choices,
      model: piece.model,
      system_fingerprint: FINGERPRINT,
      ...(counted === undefined ? {} : { usage: counted }),
    });
  const noUsage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  return {
    ...openaiFailure,
    streamType: EVENT_STREAM,
    wholeType: PLAIN_JSON,
    whole: (piece) =>
      `${goJson({
        id,
        object: "text_completion",
        created: Math.floor(piece.createdAt / 1000),
        model: piece.model,
        system_fingerprint: FINGERPRINT,
        choices: [choice(piece)],
        usage: usage(piece),
      })}\n`,
    records(piece) {
      const said = chunk(piece, [choice(piece)], includeUsage ? noUsage : undefined);
      if (!piece.done) return [said];
      return [`${said}${includeUsage ? chunk(piece, [], usage(piece)) : ""}data: [DONE]\n\n`];
    },
    crashed: () => [
      sse({
        id,
        object: "text_completion",
        created: Math.floor(Date.now() / 1000),
        choices: [{ text: "", index: 0, finish_reason: null }],
        model: "",
        system_fingerprint: FINGERPRINT,
        ...(includeUsage ? { usage: noUsage } : {}),
      }),
    ],
  };
}
