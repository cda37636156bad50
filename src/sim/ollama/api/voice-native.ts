// The words of Ollama's own API: one JSON object per line.
import type { Piece, ToolCallPiece, Voice } from "./voice.ts";
import { goJson, goTime } from "../go/go-json.ts";
import { JSON_TYPE } from "../reply.ts";

export const nativeFailure = {
  failureType: JSON_TYPE,
  failure: (_status: number, message: string) => goJson({ error: message }),
};

/** /api/chat */
export const chatVoice: Voice = nativeVoice((piece) => ({
  model: piece.model,
  created_at: goTime(piece.createdAt),
  message: {
    role: "assistant",
    content: piece.content,
    ...(piece.thinking === "" ? {} : { thinking: piece.thinking }),
    ...(piece.toolCalls.length === 0 ? {} : { tool_calls: piece.toolCalls.map(nativeToolCall) }),
  },
  done: piece.done,
  ...ending(piece),
}));

/** /api/generate */
export const generateVoice: Voice = nativeVoice((piece) => ({
  model: piece.model,
  created_at: goTime(piece.createdAt),
  response: piece.content,
  ...(piece.thinking === "" ? {} : { thinking: piece.thinking }),
  done: piece.done,
  ...(piece.doneReason === "" ? {} : { done_reason: piece.doneReason }),
  ...(piece.context === undefined ? {} : { context: piece.context }),
  ...withoutZeros(piece.metrics),
  ...(piece.logprobs.length === 0 ? {} : { logprobs: piece.logprobs }),
}));

function nativeVoice(shape: (piece: Piece) => object): Voice {
  return {
    streamType: "application/x-ndjson",
    wholeType: JSON_TYPE,
    ...nativeFailure,
    whole: (piece) => goJson(shape(piece)),
    records: (piece) => [`${goJson(shape(piece))}\n`],
    crashed: (message) => [`${goJson({ error: message })}\n`],
  };
}

function nativeToolCall(call: ToolCallPiece, index: number): object {
  return { id: call.id, function: { index, name: call.name, arguments: call.arguments } };
}

function ending(piece: Piece): object {
  return {
    ...(piece.doneReason === "" ? {} : { done_reason: piece.doneReason }),
    ...(piece.logprobs.length === 0 ? {} : { logprobs: piece.logprobs }),
    ...withoutZeros(piece.metrics),
  };
}

/** Go's omitempty on numbers. */
function withoutZeros(metrics: Piece["metrics"]): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics ?? {}).filter(([, value]) => value !== 0));
}
