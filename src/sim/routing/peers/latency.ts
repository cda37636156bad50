// Policies that follow measured latency: Peak EWMA (Finagle, Linkerd, Envoy) and Prequal's hot-cold rule (NSDI'24).
import { lowest } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";

/** Long enough that a peak outlives the answers it was measured with; Finagle's default of 10 s is for calls of ms. */
const DECAY_MS = 60_000;
/** What a host costs that has requests and no sample yet. */
const UNMEASURED_MS = 1e9;
const PROBES = 3;
/** Above this part of the probed requests in flight a host is hot. */
const HOT_QUANTILE = 0.84;
const KEPT_LATENCIES = 16;

/** Peak-sensitive moving average of latency × (outstanding + 1), over all hosts. */
export const peakEwma: MakePeer = ({ random, now }) => {
  const averages = new Map<string, { readonly value: number; readonly at: number }>();
  const cost = ({ id, active }: PeerHost): number => {
    const known = averages.get(id);
    if (known === undefined) return active === 0 ? 0 : UNMEASURED_MS + active;
    return known.value * Math.exp((known.at - now()) / DECAY_MS) * (active + 1);
  };
  return {
    choose: (_, hosts) => lowest(hosts, cost, random),
    ended(_, { id }, ending) {
      if (ending.type !== "served") return;
      const tookMs = ending.served.finishedAt - ending.served.submittedAt;
      const at = now();
      const known = averages.get(id);
      const weight = known === undefined ? 0 : Math.exp((known.at - at) / DECAY_MS);
      const average = (known?.value ?? 0) * weight + tookMs * (1 - weight);
      averages.set(id, { value: Math.max(tookMs, average), at });
    },
  };
};

/**
 * Probes a few hosts: of those that are not hot the one with the lowest latency, else the least busy. A host answers
 * a probe with the median latency of requests that came to it while it was as busy as it is now, or nearly so.
 */
export const prequal: MakePeer = ({ random, hosts: all }) => {
  const samples = new Map<string, { readonly busy: number; readonly ms: number }[]>();
  const arrivals = new Map<string, number>();
  const estimate = ({ id, active }: PeerHost): number => {
    const known = samples.get(id) ?? [];
    const nearest = Math.min(...known.map(({ busy }) => Math.abs(busy - active)));
    const alike = known.filter(({ busy }) => Math.abs(busy - active) === nearest);
    const sorted = alike.map(({ ms }) => ms).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  const pick = (hosts: readonly PeerHost[]): PeerHost => {
    const loads = all.map(({ active }) => active).sort((a, b) => a - b);
    const limit = loads[Math.floor(loads.length * HOT_QUANTILE)] ?? 0;
    const probed = drawSome(hosts, PROBES, random);
    const cold = probed.filter(({ active }) => active < limit);
    return cold.length > 0 ? lowest(cold, estimate, random) : lowest(probed, ({ active }) => active, random);
  };
  return {
    choose(request, hosts) {
      const host = pick(hosts);
      arrivals.set(request.id, host.active);
      return host;
    },
    ended({ id: requestId }, { id }, ending) {
      const busy = arrivals.get(requestId) ?? 0;
      arrivals.delete(requestId);
      if (ending.type !== "served") return;
      const ms = ending.served.finishedAt - ending.served.submittedAt;
      samples.set(id, [...(samples.get(id) ?? []), { busy, ms }].slice(-KEPT_LATENCIES));
    },
  };
};

function drawSome<T>(items: readonly T[], count: number, random: () => number): T[] {
  const rest = [...items];
  while (rest.length > count) rest.splice(Math.floor(random() * rest.length), 1);
  return rest;
}
