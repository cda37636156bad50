// LiteLLM's routing strategies, from their description.
import { drawWeighted, lowest } from "./peer.ts";
import type { MakePeer } from "./peer.ts";

const SAMPLES = 10;
const MINUTE_MS = 60_000;

/** simple-shuffle: by chance, with weights an operator took from the speed of each host. */
export const litellmShuffle: MakePeer = ({ random }) => ({
  choose: (_, hosts) => drawWeighted(hosts, ({ kind }) => kind.decodePerSecond, random),
});

/** least-busy: the fewest requests in flight. */
export const litellmLeastBusy: MakePeer = ({ random }) => ({
  choose: (_, hosts) => lowest(hosts, ({ active }) => active, random),
});

/**
 * latency-based: the lowest mean of up to ten samples of seconds per output token, unmeasured hosts first. Once the
 * list is full only its last entry is replaced, so that an old winner stays one.
 */
export const litellmLatency: MakePeer = ({ random }) => {
  const samples = new Map<string, number[]>();
  const keyOf = (model: string, id: string): string => `${model} ${id}`;
  return {
    choose({ item: { model } }, hosts) {
      return lowest(hosts, ({ id }) => meanOf(samples.get(keyOf(model, id)) ?? []), random);
    },
    ended({ item: { model } }, { id }, ending) {
      if (ending.type !== "served") return;
      const { submittedAt, finishedAt, outputTokens } = ending.served;
      const list = samples.get(keyOf(model, id)) ?? [];
      if (list.length === SAMPLES) list.pop();
      list.push((finishedAt - submittedAt) / Math.max(1, outputTokens));
      samples.set(keyOf(model, id), list);
    },
  };
};

/** usage-based: the fewest tokens in the current minute, counted when answers end. */
export const litellmUsage: MakePeer = ({ random, now }) => {
  const used = new Map<string, { readonly minute: number; tokens: number }>();
  const minuteNow = (): number => Math.floor(now() / MINUTE_MS);
  const tokensOf = (id: string): number => {
    const entry = used.get(id);
    return entry?.minute === minuteNow() ? entry.tokens : 0;
  };
  return {
    choose: (_, hosts) => lowest(hosts, ({ id }) => tokensOf(id), random),
    ended(_, { id }, ending) {
      if (ending.type !== "served") return;
      const { promptTokens, outputTokens } = ending.served;
      used.set(id, { minute: minuteNow(), tokens: tokensOf(id) + promptTokens + outputTokens });
    },
  };
};

function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
