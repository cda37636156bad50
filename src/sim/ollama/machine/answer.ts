// What the simulated model says: a pure function of model, rendered prompt, seed and position, so that every host says the same.
import { createHash } from "node:crypto";
import type { SimulatedModel } from "./model.ts";

/** The tokens of one answer, in order: first the thinking, then the content, then the tool calls. */
export type Answer = {
  readonly thinkingTokens: number;
  readonly contentTokens: number;
  readonly doneReason: "stop" | "length";
  /** The token at a position; positions of the thinking come first. */
  readonly token: (position: number) => string;
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly arguments: unknown }[];
};

type AnswerRequest = {
  readonly model: SimulatedModel;
  /** The rendered prompt without the beginning of the answer that the caller may have given. */
  readonly prompt: string;
  /** A beginning of the answer that the caller gave (a last message of the assistant): the answer goes on after it. */
  readonly prefill: string;
  readonly seed: number | undefined;
  readonly thinks: boolean;
  /** Exactly so many tokens (`num_predict`). */
  readonly exactTokens: number | undefined;
  /** At most so many (`max_tokens`). */
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
  /** Says this instead of words: an answer in JSON. */
  readonly fixedText: string | undefined;
  readonly toolCall: { readonly name: string; readonly arguments: unknown } | undefined;
};

// Characters of two, three and four UTF-8 bytes and those that Go escapes, so that careless framing shows.
const WORDS = (
  "the hive routes each request to a free host and waits for none bees carry nectar home while queues stay short " +
  "naïve café über señor 日本語 東京 мёд пчела 🐝 🍯 a<b b>a R&D tokens stream one by one over quiet tunnels light " +
  "honey comb cell edge lease agent model prompt answer steady warm cache prefix slot speed fair share"
).split(" ");

const THINKING_TOKENS = 8;
const SHORTEST_ANSWER = 20;
const ANSWER_SPREAD = 41;

/** Plans the whole answer; tokens are made when they are asked for. */
export function planAnswer(request: AnswerRequest): Answer {
  const seed = seedOf(request);
  const thinkingTokens = request.thinks ? Math.min(THINKING_TOKENS, Math.floor((request.exactTokens ?? 16) / 2)) : 0;
  if (request.toolCall !== undefined) return toolAnswer(request.toolCall, seed, thinkingTokens);

  const source = request.fixedText === undefined ? spokenTokens(request.model, seed) : pieces(request.fixedText);
  const start = skipPrefill(source, request.prefill);
  const length = plannedLength(request, source, seed, { thinkingTokens, start });
  const plan = { thinkingTokens, contentTokens: length.tokens, doneReason: length.reason, toolCalls: [] };
  const token = (position: number): string => {
    if (position < thinkingTokens) return word(mix(seed, position + 0x5eed), position === 0);
    const at = position - thinkingTokens + start.tokens;
    return at === start.tokens ? source.token(at).slice(start.charsOfNext) : source.token(at);
  };
  return applyStops({ ...plan, token }, request.stop);
}

type TokenSource = { readonly token: (position: number) => string; readonly count: number | undefined };

function spokenTokens(model: SimulatedModel, seed: number): TokenSource {
  const opening = model.opening === "" ? [] : (model.opening.match(/\s*\S+/g) ?? []);
  return {
    count: undefined,
    token: (position) => opening[position] ?? word(mix(seed, position), position === 0),
  };
}

/** A text in pieces of about a token's size. */
function pieces(text: string): TokenSource {
  const tokens = text.match(/[^]{1,4}/gu) ?? [];
  return { count: tokens.length, token: (position) => tokens[position] ?? "" };
}

/** How much of the answer the caller already has: whole tokens, and characters of the one after them. */
function skipPrefill(source: TokenSource, prefill: string): { tokens: number; charsOfNext: number } {
  let rest = prefill;
  let tokens = 0;
  for (; rest !== ""; tokens++) {
    const token = source.token(tokens);
    if (token.startsWith(rest) && token !== rest) return { tokens, charsOfNext: rest.length };
    if (!rest.startsWith(token) || token === "") return { tokens: prefill.split(" ").length, charsOfNext: 0 };
    rest = rest.slice(token.length);
  }
  return { tokens, charsOfNext: 0 };
}

function plannedLength(
  request: AnswerRequest,
  source: TokenSource,
  seed: number,
  at: { readonly thinkingTokens: number; readonly start: { readonly tokens: number } },
): { tokens: number; reason: "stop" | "length" } {
  const natural = source.count ?? request.model.answerTokens ?? SHORTEST_ANSWER + (seed % ANSWER_SPREAD);
  const left = Math.max(0, Math.max(natural, openingTokens(request.model)) - at.start.tokens);
  const limit = Math.min(request.exactTokens ?? Infinity, request.maxTokens ?? Infinity) - at.thinkingTokens;
  if (source.count === undefined && request.exactTokens !== undefined) {
    return { tokens: Math.max(0, limit), reason: "length" };
  }
  return limit < left ? { tokens: Math.max(0, limit), reason: "length" } : { tokens: left, reason: "stop" };
}

function openingTokens(model: SimulatedModel): number {
  return model.opening === "" ? 0 : (model.opening.match(/\s*\S+/g)?.length ?? 0);
}

function toolAnswer(call: { name: string; arguments: unknown }, seed: number, thinkingTokens: number): Answer {
  const id = `call_${mix(seed, 1).toString(36).padStart(8, "0").slice(-8)}`;
  return {
    thinkingTokens,
    contentTokens: 0,
    doneReason: "stop",
    token: (position) => word(mix(seed, position + 0x5eed), position === 0),
    toolCalls: [{ id, ...call }],
  };
}

/** Ends the content before the first stop text, as the runner does. */
function applyStops(answer: Answer, stops: readonly string[]): Answer {
  const wanted = stops.filter((stop) => stop !== "");
  if (wanted.length === 0) return answer;
  const tokens: string[] = [];
  let text = "";
  for (let at = 0; at < answer.contentTokens; at++) {
    const token = answer.token(answer.thinkingTokens + at);
    tokens.push(token);
    text += token;
    const found = wanted.map((stop) => text.indexOf(stop)).filter((index) => index !== -1);
    if (found.length === 0) continue;
    return cutAt(answer, tokens, Math.min(...found));
  }
  return answer;
}

function cutAt(answer: Answer, tokens: readonly string[], length: number): Answer {
  const kept: string[] = [];
  let left = length;
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.slice(0, left));
    left -= token.length;
  }
  const token = (position: number): string =>
    position < answer.thinkingTokens ? answer.token(position) : (kept[position - answer.thinkingTokens] ?? "");
  return { ...answer, contentTokens: kept.length, doneReason: "stop", token };
}

function word(hash: number, first: boolean): string {
  const text = WORDS[hash % WORDS.length] ?? "";
  const end = hash % 13 === 0 ? "." : "";
  return first ? `${text}${end}` : ` ${text}${end}`;
}

function seedOf(request: AnswerRequest): number {
  const given = request.seed === undefined || request.seed < 0 ? "" : String(request.seed);
  const hash = createHash("sha1").update(`${request.model.digest}\0${given}\0`).update(request.prompt).digest();
  return hash.readUInt32LE(0);
}

/** One step of splitmix32: a well-spread 32-bit number for each position. */
export function mix(seed: number, position: number): number {
  let hash = (seed + Math.imul(position + 1, 0x9e3779b9)) | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}
