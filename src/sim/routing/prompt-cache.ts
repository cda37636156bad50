// The prompt cache of one runner: what each slot holds, and old prompts in host memory (llama.cpp, tools/server).

/** A prompt as chained hashes of blocks of equal size; two prompts share as many tokens as they share leading blocks. */
export interface Prompt {
  readonly tokens: number;
  readonly blocks: readonly number[];
  readonly blockTokens: number;
}

/** What a slot or a saved state holds. */
interface State {
  readonly prompt: Prompt;
  /** Prompt and answer. */
  readonly tokens: number;
}

interface Slot {
  state?: State | undefined;
  busy: boolean;
  usedAt: number;
}

export interface Claim {
  readonly slot: number;
  /** Tokens that need not be read again. */
  readonly cachedTokens: number;
  /** Time spent moving states between device and host memory. */
  readonly moveMs: number;
}

export interface CacheLimits {
  readonly slots: number;
  readonly hostMemoryBytes: number;
  readonly kvBytesPerToken: number;
}

/** `--slot-prompt-similarity`. */
const SLOT_SIMILARITY = 0.1;
/** A slot that would keep less of its content is saved first. */
const KEPT_ENOUGH = 0.5;
/** A saved state is not worth restoring for less of it. */
const RESTORE_KEEPS = 0.25;
/** 0.15 s for 12 k tokens at f16. */
const MOVE_MS_PER_TOKEN = 150 / 12_000;

/** Slots and saved states; slot contents change only here. */
export class PromptCache {
  readonly #limits: CacheLimits;
  readonly #slots: Slot[];
  /** Oldest first. */
  #saved: State[] = [];

  constructor(limits: CacheLimits) {
    this.#limits = limits;
    this.#slots = Array.from({ length: limits.slots }, () => ({ busy: false, usedAt: -Infinity }));
  }

  /** Tells which slot a prompt would get now and how much of it would be cached, without doing anything. */
  peek(prompt: Prompt): Omit<Claim, "moveMs"> | undefined {
    const chosen = this.#chooseSlot(prompt);
    if (chosen === undefined) return undefined;
    const { slot, similar } = chosen;
    const shared = commonTokens(slot.state?.prompt, prompt);
    const kept = slot.state === undefined ? 1 : shared / slot.state.tokens;
    const restored = similar && kept >= KEPT_ENOUGH ? 0 : this.#mostSaved(prompt);
    const cachedTokens = Math.max(0, Math.min(Math.max(shared, restored), prompt.tokens - 1));
    return { slot: this.#slots.indexOf(slot), cachedTokens };
  }

  /** Takes an idle slot for a prompt: the most alike if alike enough, else the least recently used. */
  claim(prompt: Prompt, now: number): Claim | undefined {
    const chosen = this.#chooseSlot(prompt);
    if (chosen === undefined) return undefined;
    const { slot, similar } = chosen;
    let moveMs = this.#publishIdle(slot);
    const shared = commonTokens(slot.state?.prompt, prompt);
    const kept = slot.state === undefined ? 1 : shared / slot.state.tokens;
    if (!similar || kept < KEPT_ENOUGH) {
      moveMs += this.#save(slot.state);
      moveMs += this.#restore(slot, prompt);
    }
    this.#evict();
    // The last token of a prompt is always read, for its prediction is the first token of the answer.
    const cachedTokens = Math.max(0, Math.min(commonTokens(slot.state?.prompt, prompt), prompt.tokens - 1));
    slot.busy = true;
    slot.usedAt = now;
    return { slot: this.#slots.indexOf(slot), cachedTokens, moveMs };
  }

  /** Gives a slot back with what it holds now. */
  release(index: number, prompt: Prompt, outputTokens: number, now: number): void {
    const slot = this.#slots[index];
    if (slot === undefined) throw new RangeError(`no slot ${index}`);
    slot.busy = false;
    slot.usedAt = now;
    slot.state = { prompt, tokens: prompt.tokens + outputTokens };
  }

  /** Counts the states saved in host memory. */
  get savedStates(): number {
    return this.#saved.length;
  }

  /** Lists what slots and saved states hold. */
  held(): Prompt[] {
    const inSlots = this.#slots.flatMap(({ state }) => (state === undefined ? [] : [state]));
    return [...inSlots, ...this.#saved].map(({ prompt }) => prompt);
  }

  /** Of the states that are saved, or would be before a prompt is read, how much the best shares with it. */
  #mostSaved(prompt: Prompt): number {
    const idle = this.#slots.flatMap(({ busy, state }) => (busy || state === undefined ? [] : [state]));
    let most = 0;
    for (const state of [...this.#saved, ...idle]) {
      const shared = commonTokens(state.prompt, prompt);
      if (shared / state.tokens >= RESTORE_KEEPS) most = Math.max(most, shared);
    }
    return most;
  }

  #chooseSlot(prompt: Prompt): { slot: Slot; similar: boolean } | undefined {
    const idle = this.#slots.filter(({ busy }) => !busy);
    let best: Slot | undefined;
    let similarity = SLOT_SIMILARITY;
    for (const slot of idle) {
      const alike = commonTokens(slot.state?.prompt, prompt) / prompt.tokens;
      if (alike <= similarity) continue;
      best = slot;
      similarity = alike;
    }
    if (best !== undefined) return { slot: best, similar: true };
    const [oldest] = idle.sort((a, b) => a.usedAt - b.usedAt);
    return oldest === undefined ? undefined : { slot: oldest, similar: false };
  }

  /** `--cache-idle-slots`: at each new task the other idle slots' states are saved too. */
  #publishIdle(chosen: Slot): number {
    let moveMs = 0;
    for (const slot of this.#slots) if (slot !== chosen && !slot.busy) moveMs += this.#save(slot.state);
    return moveMs;
  }

  /** Saves a state unless a saved one contains it; saved ones it contains make room for it. */
  #save(state: State | undefined): number {
    if (state === undefined || this.#limits.hostMemoryBytes === 0) return 0;
    if (this.#saved.some((other) => contains(other, state))) return 0;
    this.#saved = this.#saved.filter((other) => !contains(state, other));
    this.#saved.push(state);
    return state.tokens * MOVE_MS_PER_TOKEN;
  }

  /** Only after a state was restored (`prompt_save`, `prompt_load`, `update`): what is about to go may still be of use. */
  #evict(): void {
    let bytes = this.#saved.reduce((sum, { tokens }) => sum + tokens, 0) * this.#limits.kvBytesPerToken;
    while (bytes > this.#limits.hostMemoryBytes && this.#saved.length > 1) {
      bytes -= (this.#saved.shift()?.tokens ?? 0) * this.#limits.kvBytesPerToken;
    }
  }

  /** Moves the saved state that shares most with the prompt into the slot, if it beats what the slot holds. */
  #restore(slot: Slot, prompt: Prompt): number {
    let best: State | undefined;
    let most = commonTokens(slot.state?.prompt, prompt);
    for (const state of this.#saved) {
      const shared = commonTokens(state.prompt, prompt);
      if (shared <= most || shared / state.tokens < RESTORE_KEEPS) continue;
      best = state;
      most = shared;
    }
    if (best === undefined) return 0;
    this.#saved = this.#saved.filter((state) => state !== best);
    slot.state = best;
    return best.tokens * MOVE_MS_PER_TOKEN;
  }
}

/** Counts the tokens two prompts have in common from their start, in whole blocks. */
export function commonTokens(held: Prompt | undefined, prompt: Prompt): number {
  if (held === undefined) return 0;
  const longest = Math.min(held.blocks.length, prompt.blocks.length);
  let blocks = 0;
  while (blocks < longest && held.blocks[blocks] === prompt.blocks[blocks]) blocks += 1;
  return Math.min(blocks * prompt.blockTokens, held.tokens, prompt.tokens);
}

function contains(longer: State, shorter: State): boolean {
  return longer.tokens >= shorter.tokens && isPrefix(shorter.prompt.blocks, longer.prompt.blocks);
}

function isPrefix(start: readonly number[], whole: readonly number[]): boolean {
  return start.length <= whole.length && start.every((block, index) => block === whole[index]);
}
