// What this isolate knows of the cells: read anew in the background, so that a request usually costs one call of a cell.
import type { Context } from "hono";
import { isMissing, recall } from "../../core/cells/knowledge.ts";
import type { Known } from "../../core/cells/knowledge.ts";
import type { CellSummary } from "../../wire/cell-summary.ts";
import type { CellSite } from "../../wire/cells.ts";
import { askAll } from "./cells.ts";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";

const known = new Map<string, Known>();

/** The summaries that are not too old, by name; those that age are read anew after the request. */
export function knownSummaries(
  c: Context<HonoEnv>,
  sites: readonly CellSite[],
  model: string | undefined,
): ReadonlyMap<string, CellSummary> {
  const now = Date.now();
  const { summaries, ageing } = recall(known, sites, model, now);
  for (const site of ageing) refresh(c, site, now);
  return summaries;
}

/** Reads the summaries that are missing, and waits for them. */
export async function learnSummaries(c: Context<HonoEnv>, sites: readonly CellSite[]): Promise<void> {
  const now = Date.now();
  const missing = sites.filter(({ name }) => isMissing(known.get(name), now));
  await askAll(c, missing, async (cell, site) => {
    known.set(site.name, { summary: await cell.readSummary(), readAt: now, askedAt: now });
  });
}

function refresh(c: Context<HonoEnv>, site: CellSite, now: number): void {
  // Marked at once: one request asks, not all that come until the answer.
  known.set(site.name, { readAt: 0, ...known.get(site.name), askedAt: now });
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
