// Policies that know prefixes: SGLang's cache_aware, LMetric, NVIDIA Dynamo's cost, llm-d's weighted scorers.
import { lowest } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";
import { PrefixMemory } from "./prefix-memory.ts";
import type { Routed } from "../router.ts";

/** A tree of raw text over all of memory: practically nothing is forgotten. */
const SGLANG_BLOCKS = 1_000_000;
/** llm-d: 31,250 blocks of 16 tokens per server, in blocks of 512. */
const LLMD_BLOCKS = 976;
const DYNAMO_BLOCK_TOKENS = 16;
const LLMD_WEIGHTS = { queue: 2, memory: 2, prefix: 3 };

export interface CacheAwareLimits {
  /** A prompt with less of it known goes elsewhere. */
  readonly matchRate: number;
  readonly loadDifference: number;
  readonly loadRatio: number;
}

/** If loads differ too much the least loaded; else the longest match if long enough; else the smallest tree. */
export function cacheAware(limits: CacheAwareLimits): MakePeer {
  return ({ random }) => {
    const memory = new PrefixMemory(SGLANG_BLOCKS);
    const pick = ({ item: { prompt } }: Routed, hosts: readonly PeerHost[]): PeerHost => {
      const loads = hosts.map(({ active }) => active);
      const [least, most] = [Math.min(...loads), Math.max(...loads)];
      const uneven = most - least > limits.loadDifference && most > limits.loadRatio * least;
      if (uneven) return lowest(hosts, ({ active }) => active, random);
      const best = lowest(hosts, ({ id }) => -memory.matchedTokens(id, prompt), random);
      const matched = memory.matchedTokens(best.id, prompt) / prompt.tokens;
      return matched > limits.matchRate ? best : lowest(hosts, ({ active }) => active, random);
    };
    return {
      choose(request, hosts) {
        const host = pick(request, hosts);
        memory.remember(host.id, request.item.prompt);
        return host;
      },
    };
  };
}

/** argmin of (prompt tokens still to be read there, with this one's) × (requests there + 1). */
export const lmetric: MakePeer = ({ random }) => {
  const memory = new PrefixMemory(LLMD_BLOCKS);
  return {
    choose(request, hosts) {
      const { prompt } = request.item;
      const unread = ({ id }: PeerHost): number => prompt.tokens - memory.matchedTokens(id, prompt);
      const host = lowest(hosts, (one) => Math.max(1, unread(one)) * (one.active + 1), random);
      memory.remember(host.id, prompt);
      return host;
    },
  };
};

/** argmin of prefill blocks (active and new, less the overlap that hosts publish) + decode blocks; temperature 0. */
export const dynamo: MakePeer = ({ random }) => ({
  choose(request, hosts) {
    const { tokens } = request.item.prompt;
    const cost = (host: PeerHost): number => {
      const prefill = host.owedTokens + tokens - host.cachedTokens(request);
      return (prefill + host.heldTokens + tokens) / DYNAMO_BLOCK_TOKENS;
    };
    return lowest(hosts, cost, random);
  },
});

/** Queue, memory and prefix scores in [0, 1], weighted; the highest sum wins, without a hit the least recently used. */
export const llmd: MakePeer = ({ random, now }) => {
  const memory = new PrefixMemory(LLMD_BLOCKS);
  const coldAt = new Map<string, number>();
  return {
    choose(request, hosts) {
      const { prompt } = request.item;
      const queues = hosts.map((host) => Math.max(0, host.active - host.parallel));
      const [least, most] = [Math.min(...queues), Math.max(...queues)];
      const score = (host: PeerHost): number => {
        const queue = most === least ? 1 : (most - Math.max(0, host.active - host.parallel)) / (most - least);
        const memoryLeft = 1 - Math.min(1, host.active / host.parallel);
        const prefix = memory.matchedTokens(host.id, prompt) / prompt.tokens;
        return LLMD_WEIGHTS.queue * queue + LLMD_WEIGHTS.memory * memoryLeft + LLMD_WEIGHTS.prefix * prefix;
      };
      const best = Math.max(...hosts.map(score));
      const equals = hosts.filter((host) => score(host) >= best - 1e-9);
      const host = lowest(equals, ({ id }) => coldAt.get(id) ?? -Infinity, random);
      if (memory.matchedTokens(host.id, prompt) === 0) coldAt.set(host.id, now());
      memory.remember(host.id, prompt);
      return host;
    },
  };
};
