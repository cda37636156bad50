// What this isolate knows of the cells: read anew in the background, so that a request usually costs one call of a cell.
import type { Context } from "hono";
import type { CellSummary } from "../wire/cell-summary.ts";
import type { CellSite } from "../wire/cells.ts";
import { askAll } from "./cells.ts";
import { cellOf } from "./env.ts";
import type { HonoEnv } from "./env.ts";

/** From this age on a request has a summary read anew behind its back. */
const FRESH_MS = 1_500;
/** Older ones say nothing any more. */
const KNOWN_MS = 10_000;
/** The nearest cell and those two hops away are kept fresh, and any that serves the model asked for. */
const NEAR = 3;

interface Known {
  readonly summary?: CellSummary;
  readonly readAt: number;
  readonly askedAt: number;
}

const known = new Map<string, Known>();

/** The summaries that are not too old, by name; those that age are read anew after the request. */
export function knownSummaries(
  c: Context<HonoEnv>,
  sites: readonly CellSite[],
  model: string | undefined,
): ReadonlyMap<string, CellSummary> {
  const now = Date.now();
  const found = new Map<string, CellSummary>();
  for (const [index, site] of sites.entries()) {
    const entry = known.get(site.name);
    const summary = entry !== undefined && now - entry.readAt < KNOWN_MS ? entry.summary : undefined;
    if (summary !== undefined) found.set(site.name, summary);
    const isWanted = index < NEAR || (model !== undefined && summary?.models[model] !== undefined);
    if (isWanted && now - (entry?.askedAt ?? 0) >= FRESH_MS) refresh(c, site, entry, now);
  }
  return found;
}

/** Reads the summaries that are missing, and waits for them. */
export async function learnSummaries(c: Context<HonoEnv>, sites: readonly CellSite[]): Promise<void> {
  const now = Date.now();
  const missing = sites.filter(({ name }) => now - (known.get(name)?.readAt ?? 0) >= KNOWN_MS);
  await askAll(c, missing, async (cell, site) => {
    known.set(site.name, { summary: await cell.readSummary(), readAt: now, askedAt: now });
  });
}

function refresh(c: Context<HonoEnv>, site: CellSite, before: Known | undefined, now: number): void {
  // Marked at once: one request asks, not all that come until the answer.
  known.set(site.name, { readAt: 0, ...before, askedAt: now });
  const read = async (): Promise<void> => {
    try {
      const summary = await cellOf(c.env, site).readSummary();
      known.set(site.name, { summary, readAt: now, askedAt: now });
    } catch {
      // A cell that cannot be reached is not known before long, and then not chosen.
    }
  };
  c.executionCtx.waitUntil(read());
}
