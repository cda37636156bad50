// Which runner has read which beginnings of prompts: chained hashes, from hash to runners and, per runner, least recent first.
import type { LeaseRequest } from "../wire/lease.ts";
import type { Runner } from "./state.ts";

/** Runners by hash: so that one walk over a request's hashes finds the match on every host. */
export type PrefixIndex = Map<number, Set<Runner>>;

/** A prompt that was read, and is kept or forgotten as a whole. */
interface HeldPrompt {
  readonly hashes: readonly number[];
  /** Of prompt and answer. */
  readonly tokens: number;
}

/** What one runner is believed to hold. */
export interface HeldPrefixes {
  /** By their last hash, least recently used first. */
  readonly prompts: Map<number, HeldPrompt>;
  /** In how many of the prompts a hash is. */
  readonly counts: Map<number, number>;
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
  return { prompts: new Map(), counts: new Map(), tokens: 0, keeping: 1, matchedBytes: 0, stamp: -1 };
}

/**
 * Finds the longest match of a request on every runner and leaves it there under a stamp. From the deepest hash up:
 * who holds a hash holds those before it, so a hash with no more holders than were met already tells nothing new.
 */
export function matchPrefixes(index: PrefixIndex, request: LeaseRequest, stamp: number): void {
  const { prefix, model } = request;
  let met = 0;
  for (let at = prefix.length - 1; at >= 0; at -= 1) {
    const holders = index.get(prefix[at] ?? 0);
    if (holders === undefined || holders.size <= met) continue;
    const bytes = endOf(request, at);
    for (const { held, model: own } of holders) {
      if (held.stamp === stamp) continue;
      held.stamp = stamp;
      held.matchedBytes = own === model ? bytes : 0;
      met += 1;
    }
  }
}

/** Finds the longest match on one runner alone, which holds the hashes before each that it holds. */
export function matchRunner({ held }: Runner, request: LeaseRequest, stamp: number): void {
  const { prefix } = request;
  let [from, to] = [0, prefix.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (held.counts.has(prefix[middle] ?? 0)) from = middle + 1;
    else to = middle;
  }
  held.stamp = stamp;
  held.matchedBytes = endOf(request, from - 1);
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

/**
 * Records that a runner has read a prompt and written so many tokens in all. As llama-server does, what the new prompt
 * goes on from is replaced by it, and old prompts are forgotten whole, the least recent first.
 */
export function holdPrompt(
  index: PrefixIndex,
  runner: Runner,
  { hashes, tokens }: HeldPrompt,
  capacity: Capacity,
): void {
  const { held } = runner;
  const last = hashes.at(-1);
  if (last === undefined) return;
  for (const hash of hashes) forgetPrompt(index, runner, hash);
  held.prompts.set(last, { hashes, tokens });
  held.tokens += tokens;
  for (const hash of hashes) {
    held.counts.set(hash, (held.counts.get(hash) ?? 0) + 1);
    const holders = index.get(hash);
    if (holders === undefined) index.set(hash, new Set([runner]));
    else holders.add(runner);
  }
  for (const oldest of held.prompts.keys()) {
    const fits = held.tokens <= capacity.tokens * held.keeping && held.prompts.size <= PROMPTS_MAX;
    if (fits || held.prompts.size <= capacity.prompts) return;
    forgetPrompt(index, runner, oldest);
  }
}

/** Forgets all a runner held: it was unloaded, or its host started anew. */
export function dropPrefixes(index: PrefixIndex, runner: Runner): void {
  for (const last of runner.held.prompts.keys()) forgetPrompt(index, runner, last);
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

function forgetPrompt(index: PrefixIndex, runner: Runner, last: number): void {
  const { held } = runner;
  const prompt = held.prompts.get(last);
  if (prompt === undefined) return;
  held.prompts.delete(last);
  held.tokens -= prompt.tokens;
  for (const hash of prompt.hashes) {
    const count = (held.counts.get(hash) ?? 1) - 1;
    held.counts.set(hash, count);
    if (count > 0) continue;
    held.counts.delete(hash);
    const holders = index.get(hash);
    if (holders?.delete(runner) === true && holders.size === 0) index.delete(hash);
  }
}

/** Where a hash's text ends; evenly spread over the prompt where the request does not tell. */
function endOf({ prefix, prefixEnds, promptBytes }: LeaseRequest, at: number): number {
  if (at < 0) return 0;
  return prefixEnds?.[at] ?? (promptBytes * (at + 1)) / prefix.length;
}
