// The world of the cell simulation: where shards, hosts and clients are, which models hosts have, how far regions lie apart.
import { byNearness } from "../../core/cells/nearness.ts";
import { REGIONS } from "../../wire/cells.ts";
import type { CellSite, Region } from "../../wire/cells.ts";
import { drawZipf } from "../routing/random.ts";
import type { Random } from "../routing/random.ts";

/** How many of 64 cells each region has, roughly as demand for AI services is spread. */
const SHARE_OF_64: Readonly<Record<Region, number>> = {
  enam: 14,
  weur: 13,
  wnam: 9,
  eeur: 6,
  "apac-ne": 6,
  "apac-se": 5,
  apac: 4,
  sam: 3,
  oc: 2,
  me: 1,
  afr: 1,
};

/** Round trip inside a region, ms. */
const NEAR_MS = 10;
/** Round trip to the nearest other region, and what each further one adds, ms. */
const NEXT_MS = 60;
const STEP_MS = 25;

/** Names so many cells, spread over the regions by share; the largest remainders get what rounding leaves. */
export function layOut(cells: number): CellSite[] {
  const wanted = REGIONS.map((region) => ({ region, exact: (SHARE_OF_64[region] * cells) / 64 }));
  const counts = new Map(wanted.map(({ region, exact }) => [region, Math.floor(exact)]));
  const left = cells - [...counts.values()].reduce((sum, count) => sum + count, 0);
  const remainders = wanted.toSorted((a, b) => (b.exact % 1) - (a.exact % 1) || b.exact - a.exact);
  for (const { region } of remainders.slice(0, left)) counts.set(region, (counts.get(region) ?? 0) + 1);
  return [...counts].flatMap(([region, count]) =>
    Array.from({ length: count }, (_, shard) => ({
      name: `cell:default:${region}:${shard}`,
      pool: "default",
      region,
    })),
  );
}

/** Round-trip time between two regions, ms. */
export function roundTripMs(from: Region, to: Region): number {
  if (from === to) return NEAR_MS;
  const others = REGIONS.map((region) => ({ name: region, pool: "", region }));
  const place = byNearness(others, from).findIndex(({ region }) => region === to);
  return NEXT_MS + (place - 1) * STEP_MS;
}

/** Canonical keys of the models, the most asked for first. */
export function modelKeys(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `registry.ollama.ai/library/model-${index}:latest`);
}

/** Different models for one host, the popular ones on more hosts: as demand places them. */
export function drawModels(random: Random, keys: readonly string[], perHost: number): string[] {
  const drawn = new Set<string>();
  while (drawn.size < Math.min(perHost, keys.length)) drawn.add(keys[drawZipf(random, keys.length, 1)] ?? "");
  return [...drawn];
}
