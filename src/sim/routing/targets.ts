// What the benchmark is to show of our default policy, checked against what was measured.
import type { Headline } from "./headline.ts";
import { CLAIRVOYANT, PEER_NAMES } from "./routers.ts";
import type { Figures, ScenarioResult } from "./suite.ts";

export interface Check {
  /** Names the target, scenario first. */
  readonly id: string;
  /** The measurement beside what was asked for. */
  readonly text: string;
  readonly met: boolean;
}

type Measure = (figures: Pick<Figures, "ttft" | "completion">) => number;

const MEASURES = {
  "ttft mean": ({ ttft }) => ttft.mean,
  "ttft p95": ({ ttft }) => ttft.p95,
  "ttft p99": ({ ttft }) => ttft.p99,
  "done mean": ({ completion }) => completion.mean,
  "done p95": ({ completion }) => completion.p95,
  "done p99": ({ completion }) => completion.p99,
} as const satisfies Record<string, Measure>;
type MeasureName = keyof typeof MEASURES;

/** How much lower than the best peer of that measure, of 1. */
type Margins = Partial<Record<MeasureName, number>>;
const MIXED: Margins = { "ttft mean": 0.25, "done mean": 0.1, "ttft p99": 0.3 };
const MARGINS: Readonly<Record<string, Margins>> = {
  A: MIXED,
  B: { "ttft mean": 0.04, "done mean": 0.02 },
  C: MIXED,
  D: MIXED,
  E: { "ttft mean": 0.15, "done mean": 0.02 },
  F: MIXED,
};
const AHEAD_IN: readonly MeasureName[] = ["ttft mean", "ttft p95", "done mean", "done p95"];
/** Equal hosts leave little to decide: ties of 1 % count as ahead. */
const TIES: Readonly<Record<string, number>> = { B: 1.01 };
const NEAR: Margins = { "ttft mean": 1.1, "done mean": 1.1, "ttft p99": 1.15, "done p99": 1.15 };
const OVERALL = { single: { ttft: 0.35, done: 0.2 }, pull: { ttft: 0.5, done: 0.35 } };
const HEADLINE = { 2: 0.3, 4: 0.38 };
const PULL = "peer:hivecore_pull";

/** Checks every target that one scenario alone can tell. */
export function checkScenario({ scenario, figures }: ScenarioResult, ours: string): Check[] {
  const own = figures.get(ours);
  if (own === undefined) return [];
  const checks = [...aheadOfPeers(scenario, figures, own), ...marginsOver(scenario, figures, own)];
  const best = figures.get(CLAIRVOYANT);
  for (const [name, most] of best === undefined ? [] : entriesOf(NEAR)) {
    const ratio = MEASURES[name](own) / MEASURES[name](best ?? own);
    const text = `${ratio.toFixed(2)} × the clairvoyant (at most ${most.toFixed(2)})`;
    checks.push({ id: `${scenario} clairvoyant ${name}`, text, met: ratio <= most });
  }
  return checks;
}

/** Checks what two and four hosts save against one, at the load of the headline. */
export function checkHeadline({ about, completionMs }: Headline): Check[] {
  return ([2, 4] as const).map((size) => {
    return lower(
      `headline ${size} hosts`,
      `one host at ${about}`,
      completionMs[size] / completionMs[1],
      HEADLINE[size],
    );
  });
}

/** Checks the geometric means over all scenarios: against the best single peer, and against HiveCore's pull. */
export function checkOverall(results: readonly ScenarioResult[], ours: string): Check[] {
  const peers = PEER_NAMES.filter((peer) => results.every(({ figures }) => figures.get(peer)?.unserved === 0));
  if (peers.length === 0 || results.some(({ figures }) => !figures.has(ours))) return [];
  const ratio = (peer: string, name: MeasureName): number => {
    const logs = results.map(({ figures }) => Math.log(measured(figures, ours, name) / measured(figures, peer, name)));
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  };
  const against = (peer: string, label: string, least: { ttft: number; done: number }): Check[] => [
    lower(`overall ${label} ttft mean`, `${peer} over all scenarios`, ratio(peer, "ttft mean"), least.ttft),
    lower(`overall ${label} done mean`, `${peer} over all scenarios`, ratio(peer, "done mean"), least.done),
  ];
  const single = peers.reduce((best, peer) => (ratio(peer, "ttft mean") > ratio(best, "ttft mean") ? peer : best));
  return [
    ...against(single, "best single peer", OVERALL.single),
    ...(peers.includes(PULL) ? against(PULL, "pull", OVERALL.pull) : []),
  ];
}

function aheadOfPeers(scenario: string, figures: ReadonlyMap<string, Figures>, own: Figures): Check[] {
  return AHEAD_IN.flatMap((name) => {
    const best = bestPeer(figures, name);
    if (best === undefined) return [];
    const ratio = MEASURES[name](own) / best.value;
    const text = `${ratio.toFixed(2)} × the best peer there, ${best.peer}`;
    return [{ id: `${scenario} ahead ${name}`, text, met: ratio <= (TIES[scenario] ?? 1) }];
  });
}

function marginsOver(scenario: string, figures: ReadonlyMap<string, Figures>, own: Figures): Check[] {
  return entriesOf(MARGINS[scenario] ?? {}).flatMap(([name, least]) => {
    const best = bestPeer(figures, name);
    if (best === undefined) return [];
    return [lower(`${scenario} margin ${name}`, best.peer, MEASURES[name](own) / best.value, least)];
  });
}

function bestPeer(
  figures: ReadonlyMap<string, Figures>,
  name: MeasureName,
): { peer: string; value: number } | undefined {
  let best: { peer: string; value: number } | undefined;
  for (const peer of PEER_NAMES) {
    const found = figures.get(peer);
    if (found === undefined || found.unserved > 0) continue;
    const value = MEASURES[name](found);
    if (best === undefined || value < best.value) best = { peer, value };
  }
  return best;
}

function lower(id: string, than: string, ratio: number, least: number): Check {
  const text = `${percent(1 - ratio)} below ${than} (at least ${percent(least)})`;
  return { id, text, met: 1 - ratio >= least };
}

function measured(figures: ReadonlyMap<string, Figures>, router: string, name: MeasureName): number {
  const found = figures.get(router);
  return found === undefined ? Number.NaN : MEASURES[name](found);
}

function entriesOf(margins: Margins): [MeasureName, number][] {
  return Object.entries(margins) as [MeasureName, number][];
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
