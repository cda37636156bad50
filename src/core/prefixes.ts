// Which runner has read which beginnings of prompts: chained hashes, from hash to runners and, per runner, least recent first.
import type { LeaseRequest } from "../wire/lease.ts";
import type { Runner } from "./state.ts";

/** Runners by hash: so that one walk over a request's hashes finds the match on every host. */
export type PrefixIndex = Map<number, Set<Runner>>;

/** What one runner is believed to hold. */
export interface HeldPrefixes {
  /** Hash to the bytes of text between the hash before and this one; least recently used first. */
  readonly blocks: Map<number, number>;
  bytes: number;
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
const KEEPING_LEAST = 0.05;
const KEEPING_MOST = 2;
const SHRINK = 0.9;
const GROW = 1.02;
/** A hit of which less came true had been forgotten. */
const FORGOTTEN = 0.3;
/** So much of a predicted hit came true that more may be kept than thought. */
const KEPT = 0.8;

/** Makes the memory of a runner that has read nothing. */
export function newHeldPrefixes(): HeldPrefixes {
  return { blocks: new Map(), bytes: 0, keeping: 1, matchedBytes: 0, stamp: -1 };
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

/** Answers what the last walk with this stamp found on a runner, bytes. */
export function matchedBytes({ held }: Runner, stamp: number): number {
  return held.stamp === stamp ? held.matchedBytes : 0;
}

/** Records that a runner has read a prompt. The beginning is touched last, so that ends are forgotten first. */
export function holdPrefix(index: PrefixIndex, runner: Runner, request: LeaseRequest, capacityBytes: number): void {
  const { held } = runner;
  for (let at = request.prefix.length - 1; at >= 0; at -= 1) {
    const hash = request.prefix[at] ?? 0;
    const bytes = endOf(request, at) - endOf(request, at - 1);
    held.bytes += bytes - (held.blocks.get(hash) ?? 0);
    held.blocks.delete(hash);
    held.blocks.set(hash, bytes);
    const holders = index.get(hash);
    if (holders === undefined) index.set(hash, new Set([runner]));
    else holders.add(runner);
  }
  const mostBytes = capacityBytes * held.keeping;
  for (const hash of held.blocks.keys()) {
    if (held.bytes <= mostBytes) return;
    forgetHash(index, runner, hash);
  }
}

/** Forgets all a runner held: it was unloaded, or its host started anew. */
export function dropPrefixes(index: PrefixIndex, runner: Runner): void {
  for (const hash of runner.held.blocks.keys()) forgetHash(index, runner, hash);
}

/** Takes how much of a predicted hit came true, 0 to 1. */
export function learnKeeping(held: HeldPrefixes, share: number): void {
  if (share < FORGOTTEN) held.keeping = Math.max(KEEPING_LEAST, held.keeping * SHRINK);
  else if (share > KEPT) held.keeping = Math.min(KEEPING_MOST, held.keeping * GROW);
}

/** Estimates the tokens of old prompts a runner keeps: its slots' contexts, and saved states in host memory. */
export function capacityTokens(modelBytes: number, slots: number, contextLength: number): number {
  const kvBytes = REFERENCE_KV * Math.sqrt(Math.max(1e8, modelBytes) / REFERENCE_BYTES);
  return HOST_CACHE_BYTES / kvBytes + slots * Math.max(4_096, contextLength);
}

function forgetHash(index: PrefixIndex, runner: Runner, hash: number): void {
  const { held } = runner;
  held.bytes -= held.blocks.get(hash) ?? 0;
  held.blocks.delete(hash);
  const holders = index.get(hash);
  if (holders?.delete(runner) === true && holders.size === 0) index.delete(hash);
}

/** Where a hash's text ends; evenly spread over the prompt where the request does not tell. */
function endOf({ prefix, prefixEnds, promptBytes }: LeaseRequest, at: number): number {
  if (at < 0) return 0;
  return prefixEnds?.[at] ?? (promptBytes * (at + 1)) / prefix.length;
}
