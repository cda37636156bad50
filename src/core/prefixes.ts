// Which prompts each runner is believed to hold, least recent first, and how much of a request they save it reading.
import type { LeaseRequest } from "../wire/lease.ts";
import { endsUpTo, read, stretchOf, unread, visitReaders } from "./beginnings.ts";
import type { Beginnings, Stretch } from "./beginnings.ts";
import type { Runner } from "./state.ts";

/** A prompt that was read, and is kept or forgotten as a whole. */
interface HeldPrompt {
  /** Where it ends. */
  readonly stretch: Stretch;
  /** Of prompt and answer. */
  readonly tokens: number;
}

/** What one runner is believed to hold. */
export interface HeldPrefixes {
  /** By their last hash, least recently used first. */
  readonly prompts: Map<number, HeldPrompt>;
  tokens: number;
  /** How much of what the runner's size lets expect it really keeps, as its hits have shown. */
  keeping: number;
  /** Longest match found for the request of this number (`stamp`), bytes. */
  matchedBytes: number;
  stamp: number;
}

/** Old prompts a llama-server keeps in host memory (`LLAMA_ARG_CACHE_RAM`). */
const HOST_CACHE_BYTES = 8 * 2 ** 30;
/** KV of an 8B model at f16 per token, and the bytes of its file; other models by the square root of their size. */
const REFERENCE_KV = 128 * 1024;
const REFERENCE_BYTES = 4.9e9;
/** Short prompts would be too many to remember them all: 200 hosts share the memory of one cell. */
const PROMPTS_MAX = 400;
/** Hosts that are always looked at for what they have read. */
const CLOSE_MAX = 16;
const KEEPING_LEAST = 0.05;
const KEEPING_MOST = 2;
const SHRINK = 0.95;
const GROW = 1.02;
/** A hit of which less came true had been forgotten. */
const FORGOTTEN = 0.3;
/** So much of a predicted hit came true that more may be kept than thought. */
const KEPT = 0.7;

/** Makes the memory of a runner that has read nothing. */
export function newHeldPrefixes(): HeldPrefixes {
  return { prompts: new Map(), tokens: 0, keeping: 1, matchedBytes: 0, stamp: -1 };
}

/**
 * Finds the longest match of a request on every runner and leaves it there under a stamp. Answers the few hosts that
 * have read most of it: what applications put before each prompt many have read.
 */
export function matchPrefixes(tree: Beginnings, request: LeaseRequest, stamp: number): ReadonlySet<string> {
  const close = new Set<string>();
  visitReaders(tree, request.prefix, (readers, at) => {
    const bytes = endOf(request, at);
    const few = readers.size <= CLOSE_MAX;
    for (const { held, hostId, model, options } of readers.keys()) {
      if (held.stamp === stamp) continue;
      const own = model === request.model && options === request.runner;
      held.stamp = stamp;
      held.matchedBytes = own ? bytes : 0;
      if (own && few) close.add(hostId);
    }
  });
  return close;
}

/** Finds the longest match on one runner alone, which has read the hashes before each that it has read. */
export function matchRunner(tree: Beginnings, runner: Runner, request: LeaseRequest, stamp: number): void {
  const { prefix } = request;
  let [from, to] = [0, prefix.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (tree.get(prefix[middle] ?? 0)?.readers.has(runner) === true) from = middle + 1;
    else to = middle;
  }
  runner.held.stamp = stamp;
  runner.held.matchedBytes = endOf(request, from - 1);
}

/** Takes the whole prompt of a request as read by a runner. */
export function assumeRead({ held }: Runner, { promptBytes }: LeaseRequest, stamp: number): void {
  held.stamp = stamp;
  held.matchedBytes = promptBytes;
}

/** Tells whether a runner has read so many bytes of a request's prompt. */
export function hasRead(tree: Beginnings, runner: Runner, request: LeaseRequest, bytes: number): boolean {
  const { prefix } = request;
  let [from, to] = [0, prefix.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (endOf(request, middle) < bytes) from = middle + 1;
    else to = middle;
  }
  const hash = prefix[from];
  return hash !== undefined && tree.get(hash)?.readers.has(runner) === true;
}

/** Answers what the last walk with this stamp found on a runner, bytes. */
export function matchedBytes({ held }: Runner, stamp: number): number {
  return held.stamp === stamp ? held.matchedBytes : 0;
}

export interface Capacity {
  /** Tokens in all. */
  readonly tokens: number;
  /** So many prompts are kept however long they are: the slots hold them. */
  readonly prompts: number;
}

export interface ReadPrompt {
  readonly hashes: readonly number[];
  /** Of prompt and answer. */
  readonly tokens: number;
}

/**
 * Records that a runner has read a prompt and written so many tokens in all. As llama-server does, what the new prompt
 * goes on from is replaced by it, and old prompts are forgotten whole, the least recent first.
 */
export function holdPrompt(tree: Beginnings, runner: Runner, { hashes, tokens }: ReadPrompt, capacity: Capacity): void {
  const { held } = runner;
  const last = hashes.at(-1);
  const stretch = stretchOf(tree, hashes);
  if (last === undefined || stretch === undefined) return;
  read(stretch, runner);
  for (const end of endsUpTo(stretch)) forgetPrompt(tree, runner, end);
  held.prompts.set(last, { stretch, tokens });
  held.tokens += tokens;
  for (const oldest of held.prompts.keys()) {
    const fits = held.tokens <= capacity.tokens * held.keeping && held.prompts.size <= PROMPTS_MAX;
    if (fits || held.prompts.size <= capacity.prompts) return;
    forgetPrompt(tree, runner, oldest);
  }
}

/** Forgets all a runner held: it was unloaded, or its host started anew. */
export function dropPrefixes(tree: Beginnings, runner: Runner): void {
  for (const last of runner.held.prompts.keys()) forgetPrompt(tree, runner, last);
}

/** Takes how much of a predicted hit came true, 0 to 1. */
export function learnKeeping(held: HeldPrefixes, share: number): void {
  if (share < FORGOTTEN) held.keeping = Math.max(KEEPING_LEAST, held.keeping * SHRINK);
  else if (share > KEPT) held.keeping = Math.min(KEEPING_MOST, held.keeping * GROW);
}

/** Estimates the tokens of old prompts a runner keeps in host memory; what its slots hold is there once more. */
export function capacityTokens(modelBytes: number): number {
  return HOST_CACHE_BYTES / (REFERENCE_KV * Math.sqrt(Math.max(1e8, modelBytes) / REFERENCE_BYTES));
}

function forgetPrompt(tree: Beginnings, runner: Runner, last: number): void {
  const { held } = runner;
  const prompt = held.prompts.get(last);
  if (prompt === undefined) return;
  held.prompts.delete(last);
  held.tokens -= prompt.tokens;
  unread(tree, prompt.stretch, runner);
}

/** Where a hash's text ends; evenly spread over the prompt where the request does not tell. */
function endOf({ prefix, prefixEnds, promptBytes }: LeaseRequest, at: number): number {
  if (at < 0) return 0;
  return prefixEnds?.[at] ?? (promptBytes * (at + 1)) / prefix.length;
}
