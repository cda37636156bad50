// Which cell a new host belongs to: its pool's, in or near its region, the emptiest shard there, none beyond what a cell can hold.
import type { CellSite, Place } from "../../wire/cells.ts";
import { byNearness, inPool } from "./nearness.ts";

/** About what one cell is measured for: `npm run bench:cell`. */
const HOSTS_PER_CELL = 200;

/** Chooses the cell of a new host; undefined where no cell takes its pool. `counts` are hosts per cell, by name. */
export function assignCell(
  sites: readonly CellSite[],
  host: { readonly pool: string; readonly place: Place },
  counts: ReadonlyMap<string, number>,
): CellSite | undefined {
  const near = byNearness(inPool(sites, host.pool), host.place);
  const hostsOf = (site: CellSite): number => counts.get(site.name) ?? 0;
  const roomy = near.find((site) => hostsOf(site) < HOSTS_PER_CELL);
  // Where all are full, a large cell serves better than none.
  const chosen = roomy ?? near[0];
  if (chosen === undefined) return undefined;
  const shards = near.filter((site) => site.region === chosen.region && site.pool === chosen.pool);
  return shards.reduce((least, site) => (hostsOf(site) < hostsOf(least) ? site : least), chosen);
}
