// What one runner holds of the prompts it has read, kept as llama-server keeps them: one in each slot, older ones in host memory.
import type { Stretch } from "./beginnings.ts";

/** A prompt that is kept or forgotten as a whole. */
export interface HeldPrompt {
  readonly hashes: readonly number[];
  /** Where it ends in the tree of beginnings, while it can be picked up. */
  stretch?: Stretch | undefined;
  /** Of prompt and answer. */
  tokens: number;
  /** Whether it is in host memory. */
  saved: boolean;
  /** When its answer was complete. */
  readAt: number;
}

export interface Slot {
  /** What is read and written here or, once the slot is idle, what the next request finds. */
  held?: HeldPrompt | undefined;
  /** What was there of it when it began. */
  begun?: HeldPrompt | undefined;
  busy: boolean;
  usedAt: number;
}

export interface PromptCache {
  readonly slots: Slot[];
  /** In host memory, the first saved first. */
  saved: HeldPrompt[];
  /** Tokens that can be saved before any of these has to go. */
  room: number;
}

/** Is told of prompts that can be picked up from now on, and of those that no longer can. */
export interface Keeper {
  gained(prompt: HeldPrompt): void;
  lost(prompt: HeldPrompt): void;
}

/** A prompt that is to be read, and whose beginnings are marked in the tree with its stamp. */
export interface Asked {
  readonly hashes: readonly number[];
  readonly tokens: number;
  readonly tokensPerByte: number;
  readonly stamp: number;
}

export interface Claim {
  readonly slot: Slot;
  /** How near to being forgotten the saved prompt was that it goes on from: 1 the next to go; 0 if none was saved. */
  readonly age: number;
}

/** A slot that holds more than this part of a prompt is taken for it (`--slot-prompt-similarity`), else the one idle longest. */
export const SIMILAR = 0.1;
/** A slot that would lose more of what it holds is saved first. */
const KEPT_ENOUGH = 0.5;
/** A saved prompt is brought back for no less of it. */
const RESTORE_KEEPS = 0.25;
/** Short prompts would be too many to remember them all: 200 hosts share the memory of one cell. */
const SAVED_MAX = 400;

/** Makes a cache that holds nothing. */
export function newPromptCache(): PromptCache {
  return { slots: [], saved: [], room: Infinity };
}

/** Counts the tokens that a prompt would find read; `most` is its longest match with any that can be picked up. */
export function lookUp(cache: PromptCache, asked: Asked, most: number): number {
  // Too little to choose the slot by, or to look any closer.
  if (most <= SIMILAR * asked.tokens) return most;
  for (const { busy, held } of cache.slots) if (!busy && sharedTokens(held, asked) >= most) return most;
  const chosen = chooseSlot(cache, asked);
  if (chosen === undefined) return most;
  const { shared, keeps } = chosen;
  return keeps ? shared : Math.max(shared, mostRestorable(cache, asked, most));
}

/** Gives a prompt its slot, and moves the others as the host does; undefined while all slots are busy. */
export function claimSlot(
  cache: PromptCache,
  asked: Asked,
  { parallel, savedTokens, now }: { parallel: number; savedTokens: number; now: number },
  keeper: Keeper,
): Claim | undefined {
  while (cache.slots.length < parallel) cache.slots.push({ busy: false, usedAt: -Infinity });
  const chosen = chooseSlot(cache, asked);
  if (chosen === undefined) return undefined;
  const { slot } = chosen;
  const saves = savedTokens > 0;
  for (const other of cache.slots) if (saves && other !== slot && !other.busy) save(cache, other.held, keeper);
  let age = 0;
  slot.begun = beginningOf(slot.held, asked);
  if (!chosen.keeps) {
    if (saves) save(cache, slot.held, keeper);
    const restored = restore(cache, asked, chosen.shared, keeper);
    if (restored !== undefined) {
      slot.begun = restored.begun;
      age = restored.since / Math.max(1, savedTokens);
    }
  }
  empty(slot, keeper);
  // Only after something was brought back: what is about to go may still be of use.
  evict(cache, savedTokens, keeper);
  slot.held = { hashes: asked.hashes, tokens: asked.tokens, saved: false, readAt: now };
  slot.busy = true;
  slot.usedAt = now;
  return { slot, age };
}

/** Gives a slot back; holds as many tokens if all was read and written, else what was there before. */
export function releaseSlot(
  slot: Slot,
  { tokens, now }: { tokens: number | undefined; now: number },
  keeper: Keeper,
): HeldPrompt | undefined {
  if (!slot.busy || slot.held === undefined) return undefined;
  slot.busy = false;
  slot.usedAt = now;
  if (tokens === undefined) slot.held = slot.begun;
  else [slot.held.tokens, slot.held.readAt] = [tokens, now];
  slot.begun = undefined;
  if (slot.held !== undefined) keeper.gained(slot.held);
  return slot.held;
}

/** Forgets everything that can be picked up; requests that run keep their slots. */
export function clearCache(cache: PromptCache, keeper: Keeper): void {
  const { saved } = cache;
  cache.saved = [];
  for (const slot of cache.slots) if (!slot.busy) empty(slot, keeper);
  for (const prompt of saved) if (prompt.saved) forget(prompt, keeper);
}

interface Chosen {
  readonly slot: Slot;
  readonly shared: number;
  /** Whether the prompt goes on from what the slot holds without looking elsewhere. */
  readonly keeps: boolean;
}

function chooseSlot({ slots }: PromptCache, asked: Asked): Chosen | undefined {
  let best: Slot | undefined;
  let most = SIMILAR * asked.tokens;
  let oldest: Slot | undefined;
  for (const slot of slots) {
    if (slot.busy) continue;
    if (oldest === undefined || slot.usedAt < oldest.usedAt) oldest = slot;
    const shared = sharedTokens(slot.held, asked);
    if (shared <= most) continue;
    best = slot;
    most = shared;
  }
  if (best !== undefined) return { slot: best, shared: most, keeps: most >= KEPT_ENOUGH * (best.held?.tokens ?? 0) };
  return oldest && { slot: oldest, shared: sharedTokens(oldest.held, asked), keeps: false };
}

/** The part of a held prompt that another goes on from. */
function beginningOf(held: HeldPrompt | undefined, { hashes, stamp, tokensPerByte }: Asked): HeldPrompt | undefined {
  for (let at = held?.stretch; at !== undefined; at = at.parent) {
    if (at.stamp !== stamp) continue;
    const { readAt = 0 } = held ?? {};
    return { hashes: hashes.slice(0, at.at + 1), tokens: at.bytes * tokensPerByte, saved: false, readAt };
  }
  return undefined;
}

/** Counts the tokens that a prompt has in common with one that is held. */
function sharedTokens(held: HeldPrompt | undefined, { stamp, tokensPerByte }: Asked): number {
  for (let at = held?.stretch; at !== undefined; at = at.parent) {
    if (at.stamp === stamp) return Math.min(held?.tokens ?? 0, at.bytes * tokensPerByte);
  }
  return 0;
}

function mostRestorable({ slots, saved }: PromptCache, asked: Asked, enough: number): number {
  let most = 0;
  // None has more in common with it than `enough`, and of a prompt much longer than that too little would be kept.
  const mayBe = ({ tokens }: HeldPrompt): boolean => RESTORE_KEEPS * tokens <= enough;
  // What is idle is saved before anything is brought back.
  for (const { busy, held } of slots) {
    if (!busy && held !== undefined && mayBe(held)) most = Math.max(most, restorable(held, asked));
  }
  for (let at = saved.length - 1; at >= 0 && most < enough; at -= 1) {
    const held = saved[at];
    if (held !== undefined && mayBe(held)) most = Math.max(most, restorable(held, asked));
  }
  return most;
}

function restorable(held: HeldPrompt, asked: Asked): number {
  const shared = sharedTokens(held, asked);
  return shared >= RESTORE_KEEPS * held.tokens ? shared : 0;
}

/** Saves what a slot holds, unless a saved prompt goes on from it; those that it goes on from make room. */
function save(cache: PromptCache, prompt: HeldPrompt | undefined, keeper: Keeper): void {
  if (prompt === undefined || prompt.saved) return;
  if (cache.saved.some((other) => goesOnFrom(other, prompt))) return;
  const shorter = cache.saved.filter((other) => goesOnFrom(prompt, other));
  cache.saved = cache.saved.filter((other) => !shorter.includes(other));
  for (const other of shorter) drop(cache, other, keeper);
  prompt.saved = true;
  cache.saved.push(prompt);
}

/** Forgets the first saved until the rest fits; one is always kept. */
function evict(cache: PromptCache, savedTokens: number, keeper: Keeper): void {
  const { saved } = cache;
  let tokens = 0;
  for (const prompt of saved) tokens += prompt.tokens;
  while ((tokens > savedTokens || saved.length > SAVED_MAX) && saved.length > 1) {
    const oldest = saved.shift();
    if (oldest === undefined) return;
    tokens -= oldest.tokens;
    drop(cache, oldest, keeper);
  }
  cache.room = savedTokens - tokens;
}

interface Restored {
  readonly begun: HeldPrompt | undefined;
  /** Tokens saved since it was. */
  readonly since: number;
}

/** Moves the saved prompt with most in common into the slot, where it is written over. */
function restore(cache: PromptCache, asked: Asked, least: number, keeper: Keeper): Restored | undefined {
  let [best, most, since]: [HeldPrompt | undefined, number, number] = [undefined, least, 0];
  for (const prompt of cache.saved) {
    const shared = restorable(prompt, asked);
    if (shared > most) [best, most, since] = [prompt, shared, 0];
    if (best !== undefined) since += prompt.tokens;
  }
  if (best === undefined) return undefined;
  const begun = beginningOf(best, asked);
  cache.saved = cache.saved.filter((prompt) => prompt !== best);
  drop(cache, best, keeper);
  return { begun, since };
}

/** What is no longer in host memory can be picked up only if an idle slot holds it. */
function drop({ slots }: PromptCache, prompt: HeldPrompt, keeper: Keeper): void {
  prompt.saved = false;
  if (!slots.some(({ held, busy }) => held === prompt && !busy)) keeper.lost(prompt);
}

function empty(slot: Slot, keeper: Keeper): void {
  const { held } = slot;
  slot.held = undefined;
  if (held !== undefined && !held.saved) keeper.lost(held);
}

function forget(prompt: HeldPrompt, keeper: Keeper): void {
  prompt.saved = false;
  keeper.lost(prompt);
}

function goesOnFrom({ stretch, tokens }: HeldPrompt, shorter: HeldPrompt): boolean {
  if (shorter.stretch === undefined || tokens < shorter.tokens) return false;
  for (let at = stretch; at !== undefined; at = at.parent) if (at === shorter.stretch) return true;
  return false;
}
