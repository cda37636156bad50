// How messages become a prompt: the role of a chat template, made so that equal beginnings stay equal.
import { createHash } from "node:crypto";
import type { ChatMessage, Tool } from "../api/native-requests.ts";
import { TOKENS_PER_IMAGE, countTokens } from "./tokens.ts";

export type RenderedPrompt = {
  readonly text: string;
  /** A last message of the assistant: the answer goes on where it ends. */
  readonly prefill: string;
  readonly tokens: number;
};

/** Renders a chat; tools come first, so that they are part of the common beginning. */
export function renderChat(messages: readonly ChatMessage[], tools: readonly Tool[], system: string): RenderedPrompt {
  const parts: string[] = [];
  if (tools.length > 0) parts.push(`<|tools|>${JSON.stringify(tools)}<|end|>\n`);
  if (system !== "" && messages[0]?.role !== "system") parts.push(`<|system|>${system}<|end|>\n`);
  const last = messages.at(-1);
  const continues = last?.role === "assistant" && (last.tool_calls ?? []).length === 0;
  const rendered = continues ? messages.slice(0, -1) : messages;
  for (const message of rendered) parts.push(renderMessage(message));
  parts.push("<|assistant|>");
  const text = parts.join("");
  const prefill = continues ? last.content : "";
  const images = messages.reduce((sum, message) => sum + (message.images?.length ?? 0), 0);
  return { text, prefill, tokens: countTokens(text) + countTokens(prefill) + images * TOKENS_PER_IMAGE };
}

function renderMessage(message: ChatMessage): string {
  const images = (message.images ?? []).map(imageMark).join("");
  const calls = (message.tool_calls ?? []).map((call) => JSON.stringify(call.function)).join("");
  return `<|${message.role}|>${images}${message.content}${calls}<|end|>\n`;
}

/** An image as the prompt shows it: its content decides. */
export function imageMark(image: string | null): string {
  return `[img-${createHash("sha256")
    .update(image ?? "")
    .digest("hex")
    .slice(0, 12)}]`;
}
