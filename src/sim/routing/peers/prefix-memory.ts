// What a router believes its hosts have cached: the blocks of the prompts it sent them, the least recently used forgotten.
import type { Prompt } from "../prompt-cache.ts";

export class PrefixMemory {
  readonly #most: number;
  readonly #byHost = new Map<string, Map<number, true>>();

  /** Remembers this many blocks of 512 tokens per host. */
  constructor(mostBlocks: number) {
    this.#most = mostBlocks;
  }

  /** Counts the tokens of a prompt that a host was sent before, from its start. */
  matchedTokens(hostId: string, { blocks, blockTokens, tokens }: Prompt): number {
    const known = this.#byHost.get(hostId);
    if (known === undefined) return 0;
    let matched = 0;
    while (matched < blocks.length && known.has(blocks[matched] ?? Number.NaN)) matched += 1;
    return Math.min(tokens, matched * blockTokens);
  }

  remember(hostId: string, { blocks }: Prompt): void {
    const known = this.#byHost.get(hostId) ?? new Map<number, true>();
    this.#byHost.set(hostId, known);
    for (const block of blocks) {
      known.delete(block);
      known.set(block, true);
    }
    for (const block of known.keys()) {
      if (known.size <= this.#most) break;
      known.delete(block);
    }
  }

  /** Counts the blocks remembered of a host. */
  sizeOf(hostId: string): number {
    return this.#byHost.get(hostId)?.size ?? 0;
  }
}
