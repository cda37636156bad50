// What an edge knows of the cells, and what it should read anew: summaries age, and nobody waits for a fresh one.
import type { CellSummary } from "../../wire/cell-summary.ts";
import type { CellSite } from "../../wire/cells.ts";

/** From this age on a summary is read anew, behind the back of the request that used it. */
const FRESH_MS = 1_500;
/** An older one says nothing any more. */
const KNOWN_MS = 10_000;
/** The nearest cell and those two hops away are kept fresh, and any that serves the model asked for. */
const NEAR = 3;

export interface Known {
  readonly summary?: CellSummary | undefined;
  /** Epoch ms. */
  readonly readAt: number;
  /** When it was last asked for, answered or not. */
  readonly askedAt: number;
}

/** Lists the summaries that may be used, by name, and the cells to be read anew. */
export function recall(
  known: ReadonlyMap<string, Known>,
  sites: readonly CellSite[],
  model: string | undefined,
  now: number,
): { readonly summaries: ReadonlyMap<string, CellSummary>; readonly ageing: readonly CellSite[] } {
  const summaries = new Map<string, CellSummary>();
  const ageing: CellSite[] = [];
  for (const [index, site] of sites.entries()) {
    const entry = known.get(site.name);
    const summary = isMissing(entry, now) ? undefined : entry?.summary;
    if (summary !== undefined) summaries.set(site.name, summary);
    const isWanted = index < NEAR || (model !== undefined && summary?.models[model] !== undefined);
    if (isWanted && now - (entry?.askedAt ?? 0) >= FRESH_MS) ageing.push(site);
  }
  return { summaries, ageing };
}

/** Whether nothing is known of a cell that could be used. */
export function isMissing(entry: Known | undefined, now: number): boolean {
  return entry?.summary === undefined || now - entry.readAt >= KNOWN_MS;
}
