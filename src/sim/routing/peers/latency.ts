// Policies that follow measured latency: Peak EWMA (Finagle, Linkerd, Envoy) and Prequal's hot-cold rule (NSDI'24).
import { lowest } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";

/** Finagle's decay. */
const DECAY_MS = 10_000;
const PROBES = 3;
/** Above this part of the probed requests in flight a host is hot. */
const HOT_QUANTILE = 0.84;
const KEPT_LATENCIES = 20;

/** Peak-sensitive moving average of latency × (outstanding + 1), over all hosts. */
export const peakEwma: MakePeer = ({ random, now }) => {
  const averages = new Map<string, { readonly value: number; readonly at: number }>();
  const decayed = (id: string): number => {
    const known = averages.get(id);
    return known === undefined ? 0 : known.value * Math.exp((known.at - now()) / DECAY_MS);
  };
  return {
    choose: (_, hosts) => lowest(hosts, ({ id, active }) => decayed(id) * (active + 1), random),
    ended(_, { id }, ending) {
      if (ending.type !== "served") return;
      const tookMs = ending.served.finishedAt - ending.served.submittedAt;
      const at = now();
      const known = averages.get(id);
      if (known === undefined || tookMs > known.value) return void averages.set(id, { value: tookMs, at });
      const weight = Math.exp((known.at - at) / DECAY_MS);
      averages.set(id, { value: known.value * weight + tookMs * (1 - weight), at });
    },
  };
};

/** Probes a few hosts: of those that are not hot the one with the lowest latency, else the least busy. */
export const prequal: MakePeer = ({ random, hosts: all }) => {
  const latencies = new Map<string, number[]>();
  const median = ({ id }: PeerHost): number => {
    const sorted = [...(latencies.get(id) ?? [])].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  return {
    choose(_, hosts) {
      const loads = all.map(({ active }) => active).sort((a, b) => a - b);
      const limit = loads[Math.floor(loads.length * HOT_QUANTILE)] ?? 0;
      const probed = drawSome(hosts, PROBES, random);
      const cold = probed.filter(({ active }) => active <= limit);
      return cold.length > 0 ? lowest(cold, median, random) : lowest(probed, ({ active }) => active, random);
    },
    ended(_, { id }, ending) {
      if (ending.type !== "served") return;
      const { firstTokenAt, finishedAt, submittedAt, outputTokens } = ending.served;
      const perToken = (finishedAt - firstTokenAt) / Math.max(1, outputTokens);
      const sample = firstTokenAt - submittedAt + perToken * 100;
      latencies.set(id, [...(latencies.get(id) ?? []), sample].slice(-KEPT_LATENCIES));
    },
  };
};

function drawSome<T>(items: readonly T[], count: number, random: () => number): T[] {
  const rest = [...items];
  while (rest.length > count) rest.splice(Math.floor(random() * rest.length), 1);
  return rest;
}
