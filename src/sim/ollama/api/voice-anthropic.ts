// The words of /v1/messages, as Ollama makes them out of its own records.
import { randomBytes } from "node:crypto";
import type { Piece, ToolCallPiece, Voice } from "./voice.ts";
import { goJson } from "../go/go-json.ts";
import { EVENT_STREAM } from "./voice-openai.ts";

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

/** The error object of the Anthropic style route. */
export function anthropicError(status: number, message: string): object {
  const type = ERROR_TYPES[status] ?? "api_error";
  return { type: "error", error: { type, message }, request_id: randomName("req") };
}

export const anthropicFailure = {
  failureType: "application/json",
  failure: (status: number, message: string) => `${goJson(anthropicError(status, message))}\n`,
};

function randomName(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString("hex")}`;
}

type Event = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Voice of one /v1/messages request; the estimate stands for the prompt's tokens until they are counted. */
export function messagesVoice(model: string, estimatedInputTokens: number): Voice {
  const id = randomName("msg");
  const blocks = new ContentBlocks();
  let begun = false;

  const start = (piece: Piece): Event[] => {
    if (begun) return [];
    begun = true;
    const tokens = piece.metrics?.prompt_eval_count ?? estimatedInputTokens;
    const usage = { input_tokens: tokens, output_tokens: 0 };
    return [{ type: "message_start", message: { id, type: "message", role: "assistant", model, content: [], usage } }];
  };

  const end = (piece: Piece): Event[] => {
    if (!piece.done) return [];
    const delta = { stop_reason: stopReason(piece.doneReason, blocks.toolCalls > 0) };
    return [...blocks.close(), { type: "message_delta", delta, usage: usageOf(piece) }, { type: "message_stop" }];
  };

  return {
    ...anthropicFailure,
    streamType: EVENT_STREAM,
    wholeType: "application/json",
    whole: (piece) => `${goJson(wholeMessage(id, piece))}\n`,
    records: (piece) => {
      const events = [...start(piece), ...blocks.add(piece), ...end(piece)];
      return events.map((event) => `event: ${event.type}\ndata: ${goJson(event)}\n\n`);
    },
    // Ollama's own error record says nothing in this API: the stream just ends.
    crashed: () => [],
  };
}

/** Keeps track of which content block is open, and numbers them. */
class ContentBlocks {
  toolCalls = 0;
  private index = 0;
  private open: "thinking" | "text" | undefined;

  add(piece: Piece): Event[] {
    return [
      ...this.say("thinking", piece.thinking),
      ...this.say("text", piece.content),
      ...piece.toolCalls.flatMap((call) => this.call(call)),
    ];
  }

  close(): Event[] {
    if (this.open === undefined) return [];
    this.open = undefined;
    return [{ type: "content_block_stop", index: this.index++ }];
  }

  private say(kind: "thinking" | "text", text: string): Event[] {
    if (text === "") return [];
    const events: Event[] = [];
    if (this.open !== kind) {
      events.push(...this.close());
      this.open = kind;
      events.push({ type: "content_block_start", index: this.index, content_block: { type: kind, [kind]: "" } });
    }
    const delta = { type: `${kind}_delta`, [kind]: text };
    return [...events, { type: "content_block_delta", index: this.index, delta }];
  }

  private call(call: ToolCallPiece): Event[] {
    const before = this.close();
    const index = this.index++;
    this.toolCalls++;
    const block = { type: "tool_use", id: call.id, name: call.name, input: {} };
    return [
      ...before,
      { type: "content_block_start", index, content_block: block },
      {
        type: "content_block_delta",
        index,
        delta: { type: "input_json_delta", partial_json: goJson(call.arguments) },
      },
      { type: "content_block_stop", index },
    ];
  }
}

function wholeMessage(id: string, piece: Piece): object {
  const reason = stopReason(piece.doneReason, piece.toolCalls.length > 0);
  const content = [
    ...(piece.thinking === "" ? [] : [{ type: "thinking", thinking: piece.thinking }]),
    ...(piece.content === "" ? [] : [{ type: "text", text: piece.content }]),
    ...piece.toolCalls.map((call) => ({ type: "tool_use", id: call.id, name: call.name, input: call.arguments })),
  ];
  return {
    id,
    type: "message",
    role: "assistant",
    model: piece.model,
    // Go's nil slice.
    content: content.length === 0 ? null : content,
    ...(reason === "" ? {} : { stop_reason: reason }),
    usage: usageOf(piece),
  };
}

function usageOf(piece: Piece): object {
  return { input_tokens: piece.metrics?.prompt_eval_count ?? 0, output_tokens: piece.metrics?.eval_count ?? 0 };
}

function stopReason(doneReason: string, calledTool: boolean): string {
  if (calledTool) return "tool_use";
  if (doneReason === "stop") return "end_turn";
  if (doneReason === "length") return "max_tokens";
  return doneReason === "" ? "" : "stop_sequence";
}
