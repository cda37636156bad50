// ollama-herd's scorer, from its description: seven signals added up, the highest sum wins.
import type { ModelKind } from "../calibration.ts";
import { lowest } from "./peer.ts";
import type { MakePeer, PeerHost } from "./peer.ts";
import type { Routed } from "../router.ts";

const GB = 1e9;
const THERMAL = { hot: 50, warm: 30, cold: 10 };
/** A model unloaded less than this ago is warm. */
const WARM_MS = 30 * 60_000;
const PER_QUEUED = 6;
const MOST_QUEUE_PENALTY = 30;
const MOST_WAIT_PENALTY = 25;
const MOST_CONTEXT = 15;
const KEPT_LATENCIES = 50;

export const ollamaHerd: MakePeer = ({ random, now }) => {
  const seen = new Map<string, number>();
  const latencies = new Map<string, number[]>();
  const keyOf = (host: PeerHost, model: string): string => `${host.id} ${model}`;
  const score = (host: PeerHost, request: Routed, model: ModelKind): number => {
    const key = keyOf(host, model.name);
    const hot = host.loaded().includes(model.name);
    if (hot) seen.set(key, now());
    const warm = now() - (seen.get(key) ?? -Infinity) < WARM_MS;
    const depth = host.activeOf(model.name);
    const wait = depth === 0 ? 0 : (depth * upperQuartile(latencies.get(key) ?? [])) / 10_000;
    return (
      heat(hot, warm) +
      (hot ? 20 : memoryFit(host.freeBytes() / model.weightBytes)) -
      Math.min(MOST_QUEUE_PENALTY, depth * PER_QUEUED) -
      Math.min(MOST_WAIT_PENALTY, wait) +
      role(host, model) +
      (hot ? contextFit(model.maxContext / request.estimatedTokens) : 0)
    );
  };
  return {
    choose(request, hosts) {
      const modelOf = (host: PeerHost): ModelKind | undefined =>
        host.models.find(({ name }) => name === request.item.model);
      return lowest(hosts, (host) => -rank(score, host, request, modelOf(host)), random);
    },
    ended({ item: { model } }, host, ending) {
      if (ending.type !== "served") return;
      const { submittedAt, finishedAt } = ending.served;
      const list = latencies.get(keyOf(host, model)) ?? [];
      latencies.set(keyOf(host, model), [...list, finishedAt - submittedAt].slice(-KEPT_LATENCIES));
    },
  };
};

/** A model that does not fit in free memory is out unless nothing else is in. */
function rank(
  score: (host: PeerHost, request: Routed, model: ModelKind) => number,
  host: PeerHost,
  request: Routed,
  model: ModelKind | undefined,
): number {
  if (model === undefined) return -Infinity;
  const fits = host.loaded().includes(model.name) || host.freeBytes() >= model.weightBytes;
  return score(host, request, model) - (fits ? 0 : 1_000);
}

function heat(hot: boolean, warm: boolean): number {
  if (hot) return THERMAL.hot;
  return warm ? THERMAL.warm : THERMAL.cold;
}

function memoryFit(ratio: number): number {
  if (ratio > 2) return 20;
  if (ratio > 1.5) return 15;
  if (ratio > 1.2) return 8;
  return ratio >= 1 ? 3 : 0;
}

/** Large models to large machines, small ones to small. */
function role({ kind: { memoryBytes } }: PeerHost, { weightBytes }: ModelKind): number {
  const memoryGb = memoryBytes / GB;
  if (weightBytes > 20 * GB) return pick(memoryGb, [128, 15], [32, 5]);
  if (weightBytes < 8 * GB) return pick(-memoryGb, [-34.4, 15], [-137.5, 8]) || 3;
  return 5;
}

function pick(value: number, ...steps: readonly (readonly [least: number, score: number])[]): number {
  return steps.find(([least]) => value >= least)?.[1] ?? 0;
}

function contextFit(ratio: number): number {
  if (ratio < 1) return -MOST_CONTEXT;
  return MOST_CONTEXT * (pick(ratio, [8, 1], [3, 0.8], [1.5, 0.5]) || 0.2);
}

function upperQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.75)] ?? 0;
}
