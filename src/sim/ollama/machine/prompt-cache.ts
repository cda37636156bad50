// What a runner remembers of prompts: one per slot, and old ones in host memory, as llama.cpp's server does.
import { commonTokens } from "./tokens.ts";

// llama.cpp: --slot-prompt-similarity, and the thresholds of its slot choice (tools/server/server-context.cpp).
const MIN_SIMILARITY = 0.1;
const SAVE_BELOW_KEPT = 0.5;
const MIN_KEPT_OF_SAVED = 0.25;
const BYTES_PER_TOKEN = 4;

type Slot = { content: Buffer; busy: boolean; usedAt: number };

type TakenSlot = {
  /** Tokens of the prompt that need no prefill. */
  readonly cachedTokens: number;
  /** Gives the slot back with what it now holds. */
  readonly release: (content: Buffer | undefined) => void;
};

/** The prompt memory of one loaded runner; it dies with the runner. */
export class PromptCache {
  private readonly slots: Slot[];
  private readonly saved: Buffer[] = [];
  private readonly hostCacheTokens: number;
  private clock = 0;

  constructor(slots: number, hostCacheTokens: number) {
    this.slots = Array.from({ length: slots }, () => ({ content: Buffer.alloc(0), busy: false, usedAt: 0 }));
    this.hostCacheTokens = hostCacheTokens;
  }

  /** Takes the idle slot that knows most of the prompt; the caller holds a place, so one is idle. */
  take(prompt: Buffer): TakenSlot {
    const slot = this.choose(prompt);
    slot.busy = true;
    slot.usedAt = ++this.clock;
    const cachedTokens = commonTokens(slot.content, prompt);
    return {
      cachedTokens,
      release: (content) => {
        slot.busy = false;
        if (content !== undefined) slot.content = content;
      },
    };
  }

  private choose(prompt: Buffer): Slot {
    const idle = this.slots.filter((slot) => !slot.busy);
    const [first] = idle;
    if (first === undefined) throw new Error("no idle slot: the semaphore and the slots disagree");
    const similar = idle
      .map((slot) => ({ slot, common: commonTokens(slot.content, prompt) }))
      .filter(({ common }) => (common * BYTES_PER_TOKEN) / Math.max(1, prompt.length) > MIN_SIMILARITY)
      .toSorted((a, b) => b.common - a.common)[0];
    const slot =
      similar?.slot ?? idle.reduce((oldest, other) => (other.usedAt < oldest.usedAt ? other : oldest), first);
    const keptShare = (commonTokens(slot.content, prompt) * BYTES_PER_TOKEN) / Math.max(1, slot.content.length);
    if (similar === undefined || keptShare < SAVE_BELOW_KEPT) this.swap(slot, prompt);
    return slot;
  }

  /** Saves what the slot holds, and brings back a saved prompt that serves this one better. */
  private swap(slot: Slot, prompt: Buffer): void {
    const held = slot.content;
    if (held.length > 0) this.saved.push(held);
    let best = commonTokens(held, prompt);
    for (const candidate of this.saved) {
      const common = commonTokens(candidate, prompt);
      if (common <= best || (common * BYTES_PER_TOKEN) / candidate.length < MIN_KEPT_OF_SAVED) continue;
      best = common;
      slot.content = candidate;
    }
    if (slot.content !== held) this.saved.splice(this.saved.indexOf(slot.content), 1);
    this.evict();
  }

  /** First in, first out, but the newest always stays. */
  private evict(): void {
    let tokens = this.saved.reduce((sum, content) => sum + content.length / BYTES_PER_TOKEN, 0);
    while (tokens > this.hostCacheTokens && this.saved.length > 1) {
      tokens -= (this.saved.shift()?.length ?? 0) / BYTES_PER_TOKEN;
    }
  }
}
