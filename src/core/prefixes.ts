// Which prompts each runner is believed to hold, and how much of a request they save it reading.
import type { LeaseRequest } from "../wire/lease.ts";
import { lastKnown, read, stretchOf, unread, visitBeginnings } from "./beginnings.ts";
import type { Beginnings, Stretch } from "./beginnings.ts";
import { SIMILAR, claimSlot, clearCache, lookUp, newPromptCache, releaseSlot } from "./prompt-cache.ts";
import type { Asked, Claim, HeldPrompt, Keeper, PromptCache } from "./prompt-cache.ts";
import type { Runner } from "./state.ts";

/** What one runner is believed to hold. */
export interface HeldPrefixes {
  readonly cache: PromptCache;
  /** How much of what the runner's size lets expect it really keeps, as its hits have shown. */
  keeping: number;
  /** Longest match found for the request of this number (`stamp`), bytes. */
  matchedBytes: number;
  stamp: number;
  /** Whether it is taken for what would be found, and the slots are not looked into. */
  assumed: boolean;
}

/** Old prompts a llama-server keeps in host memory (`LLAMA_ARG_CACHE_RAM`). */
const HOST_CACHE_BYTES = 8 * 2 ** 30;
/** KV of an 8B model at f16 per token, and the bytes of its file; other models by the square root of their size. */
const REFERENCE_KV = 128 * 1024;
const REFERENCE_BYTES = 4.9e9;
/** Hosts that are always looked at for what they have read. */
const CLOSE_MAX = 16;
/** No divisor of the 4 or 16 of which long prompts keep one hash. */
const STRIDE = 3;
const KEEPING_LEAST = 0.05;
const KEEPING_MOST = 2;
const GROW = 1.02;
const SHRINK = 0.95;
/** For what was not among the next to be forgotten. */
const SHRINK_MUCH = 0.85;
/** Only what is as old as this tells whether more is kept than thought. */
const OLD = 0.8;
/** A hit of which less came true had been forgotten. */
const FORGOTTEN = 0.3;
/** So much of a predicted hit came true that more may be kept than thought. */
const KEPT = 0.7;

/** Makes the memory of a runner that has read nothing. */
export function newHeldPrefixes(): HeldPrefixes {
  return { cache: newPromptCache(), keeping: 1, matchedBytes: 0, stamp: -1, assumed: false };
}

/**
 * Finds the longest match of a request on every runner and leaves it there under a stamp. Answers the few hosts that
 * have read most of it: what applications put before each prompt many have read.
 */
export function matchPrefixes(tree: Beginnings, request: LeaseRequest, stamp: number): ReadonlySet<string> {
  const close = new Set<string>();
  const { prefix, model: wanted, runner: wantedOptions } = request;
  const last = lastKnown(tree, prefix, STRIDE);
  let told = 0;
  if (last === undefined) return close;
  visitBeginnings(last, prefix, (stretch, at) => {
    mark(stretch, request, at, stamp);
    const { readers, bytes } = stretch;
    // As many as before are the same: whoever has read on has read this.
    if (readers.size === told) return;
    told = readers.size;
    const few = readers.size <= CLOSE_MAX;
    for (const { held, hostId, model, options } of readers.keys()) {
      if (held.stamp === stamp) continue;
      const own = model === wanted && options === wantedOptions;
      held.stamp = stamp;
      held.assumed = !few;
      held.matchedBytes = own ? bytes : 0;
      if (own && few) close.add(hostId);
    }
  });
  return close;
}

/** Finds the longest match on one runner alone. */
export function matchRunner(tree: Beginnings, runner: Runner, request: LeaseRequest, stamp: number): void {
  const { held } = runner;
  const { prefix } = request;
  let [from, to] = [0, prefix.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (tree.get(prefix[middle] ?? 0)?.readers.has(runner) === true) from = middle + 1;
    else to = middle;
  }
  held.stamp = stamp;
  held.assumed = false;
  held.matchedBytes = from === 0 ? 0 : endOf(request, from - 1);
  if (held.matchedBytes <= SIMILAR * request.promptBytes) return;
  const stretch = tree.get(prefix[from - 1] ?? 0);
  if (stretch !== undefined)
    visitBeginnings({ stretch, at: from - 1 }, prefix, (each, at) => mark(each, request, at, stamp));
}

/** Leaves in a stretch how far the request of a stamp has it. */
function mark(stretch: Stretch, request: LeaseRequest, at: number, stamp: number): void {
  stretch.stamp = stamp;
  stretch.at = at;
  stretch.bytes = endOf(request, at);
}

/** Takes the whole prompt of a request as read by a runner. */
export function assumeRead({ held }: Runner, { promptBytes }: LeaseRequest, stamp: number): void {
  held.stamp = stamp;
  held.matchedBytes = promptBytes;
  held.assumed = true;
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

/** Answers the longest match that the last walk with this stamp found on a runner, bytes. */
export function matchedBytes({ held }: Runner, stamp: number): number {
  return held.stamp === stamp ? held.matchedBytes : 0;
}

/** Answers how many tokens of a request a runner need not read, once it has the slot that it would get there. */
export function foundTokens(runner: Runner, asked: Asked): number {
  const most = matchedBytes(runner, asked.stamp) * asked.tokensPerByte;
  if (most === 0 || runner.held.assumed) return Math.min(asked.tokens, most);
  return lookUp(runner.held.cache, asked, Math.min(asked.tokens, most));
}

/** What a runner has room for. */
export interface Room {
  /** Slots. */
  readonly parallel: number;
  /** Bytes of the model's file: the larger, the more memory each token takes. */
  readonly modelBytes: number;
  /** Whether old prompts are kept beside those in slots. */
  readonly savesPrompts: boolean;
}

/** Records that a request begins on a runner, right after it was matched; answers what it is believed to get there. */
export function takeSlot(
  tree: Beginnings,
  runner: Runner,
  asked: Asked,
  { parallel, modelBytes, savesPrompts, now }: Room & { readonly now: number },
): Claim | undefined {
  const savedTokens = savesPrompts ? runner.held.keeping * capacityTokens(modelBytes) : 0;
  return claimSlot(runner.held.cache, asked, { parallel, savedTokens, now }, keeperOf(tree, runner));
}

/** Records that a request has left its slot; its prompt stays there if it was read to the end, `tokens` with the answer. */
export function leaveSlot(
  tree: Beginnings,
  runner: Runner,
  { slot }: Claim,
  end: { readonly tokens: number | undefined; readonly now: number },
): HeldPrompt | undefined {
  return releaseSlot(slot, end, keeperOf(tree, runner));
}

/** Forgets all a runner held: it was unloaded, or its host started anew. */
export function dropPrefixes(tree: Beginnings, runner: Runner): void {
  clearCache(runner.held.cache, keeperOf(tree, runner));
}

/** Takes how much of a predicted hit came true, 0 to 1: those on saved prompts tell how many are kept. */
export function learnKeeping(held: HeldPrefixes, share: number, { age }: Claim): void {
  if (age === 0) return;
  const isOld = age > OLD;
  if (share < FORGOTTEN) held.keeping = Math.max(KEEPING_LEAST, held.keeping * (isOld ? SHRINK : SHRINK_MUCH));
  else if (share > KEPT && isOld) held.keeping = Math.min(KEEPING_MOST, held.keeping * GROW);
}

/** Estimates the tokens of old prompts a runner keeps in host memory. */
function capacityTokens(modelBytes: number): number {
  return HOST_CACHE_BYTES / (REFERENCE_KV * Math.sqrt(Math.max(1e8, modelBytes) / REFERENCE_BYTES));
}

function keeperOf(tree: Beginnings, runner: Runner): Keeper {
  return {
    gained(prompt) {
      prompt.stretch = stretchOf(tree, prompt.hashes);
      read(prompt.stretch, runner);
    },
    lost(prompt) {
      unread(tree, prompt.stretch, runner);
      prompt.stretch = undefined;
    },
  };
}

/** Where a hash's text ends; evenly spread over the prompt where the request does not tell. */
function endOf({ prefix, prefixEnds, promptBytes }: LeaseRequest, at: number): number {
  return prefixEnds?.[at] ?? (promptBytes * (at + 1)) / prefix.length;
}
