// The inference routes of Ollama's own API: decode, then answer.
import type { Exchange } from "../exchange.ts";
import type { GoType } from "../go/go-types.ts";
import type { Host } from "../host.ts";
import { answerChat } from "./chat.ts";
import { embed, embedOld } from "./embed.ts";
import { sendBadBody, sendJson } from "../exchange.ts";
import { answerGenerate } from "./generate.ts";
import { decodeBody } from "../go/go-decode.ts";
import { chatRequest, embedRequest, embeddingRequest, generateRequest } from "./native-requests.ts";
import { chatVoice, generateVoice } from "./voice-native.ts";

/** Decodes the body, or answers 400 and gives undefined. */
export function decodeNative<T>(exchange: Exchange, type: GoType<T>): T | undefined {
  const decoded = decodeBody(type, exchange.body);
  if (decoded.ok) return decoded.value;
  sendBadBody(exchange, decoded.error);
  return undefined;
}

export async function handleChat(host: Host, exchange: Exchange): Promise<void> {
  const request = decodeNative(exchange, chatRequest);
  if (request === undefined) return;
  await answerChat(host, exchange, { request, voice: chatVoice, maxTokens: undefined, relaxThinking: false });
}

export async function handleGenerate(host: Host, exchange: Exchange): Promise<void> {
  const request = decodeNative(exchange, generateRequest);
  if (request === undefined) return;
  await answerGenerate(host, exchange, { request, voice: generateVoice, maxTokens: undefined });
}

export async function handleEmbed(host: Host, exchange: Exchange): Promise<void> {
  const call = decodeNative(exchange, embedRequest);
  if (call === undefined) return;
  const answer = await embed(host, exchange, call);
  if (answer !== undefined) sendJson(exchange, 200, answer);
}

export async function handleEmbeddings(host: Host, exchange: Exchange): Promise<void> {
  const call = decodeNative(exchange, embeddingRequest);
  if (call === undefined) return;
  const answer = await embedOld(host, exchange, call);
  if (answer !== undefined) sendJson(exchange, 200, answer);
}
