// What the hosts of a pool offer, from the cells' snapshots: no host is asked.
import type { Context } from "hono";
import { joinCatalogs } from "../../core/cells/join.ts";
import type { CatalogQuery, CatalogView } from "../../wire/cell-rpc.ts";
import { askAll, cellsFor } from "../cells/cells.ts";
import type { HonoEnv } from "../env.ts";

/** Joined over the cells that serve the pool, the nearest first; undefined where none has the host that is asked for. */
export async function catalogOf(c: Context<HonoEnv>, query: CatalogQuery): Promise<CatalogView | undefined> {
  const sites = cellsFor(c, query.pool);
  const views = await askAll(c, sites, async (cell) => await cell.readCatalog(query));
  return joinCatalogs(views.filter((view) => view !== undefined));
}
