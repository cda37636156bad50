// The cells as the edge asks them: which are open to a caller, the nearest first, and all of them at once.
import type { Context } from "hono";
import { byNearness, inPool, placeOf } from "../../core/cells/nearness.ts";
import type { CellRpc } from "../../wire/cell-rpc.ts";
import { isPlace } from "../../wire/cells.ts";
import type { CellSite, Place } from "../../wire/cells.ts";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { within } from "../within.ts";
import { logLine } from "../../wire/log-line.ts";

/** A cell that has not answered by then is left out of what is read from all. */
const ANSWER_WITHIN_MS = 3_000;

/** The cells that serve a pool, the nearest to the caller first; what shares a key meets in the same shard. */
export function cellsFor(c: Context<HonoEnv>, pool: string, key?: string): readonly CellSite[] {
  const open = inPool(c.var.prepared.settings.CELLS, pool);
  return open.length < 2 ? open : byNearness(open, placeOfRequest(c), key);
}

/** Where the caller stands, as Cloudflare tells; where the runtime tells nothing, as the header `hive-region` says. */
export function placeOfRequest(c: Context<HonoEnv>): Place {
  const cf: Readonly<Record<string, unknown>> = c.req.raw.cf ?? {};
  const { continent, country, latitude, longitude } = cf;
  if (typeof continent === "string") {
    return placeOf({ continent, country: String(country), latitude: Number(latitude), longitude: Number(longitude) });
  }
  // It only chooses among cells that the caller's token opens anyway.
  const told = c.req.header("hive-region")?.toLowerCase();
  return isPlace(told) ? told : "any";
}

/** Asks every cell of a list at once; one that fails or is silent for too long gives undefined. */
export async function askAll<Value>(
  c: Context<HonoEnv>,
  sites: readonly CellSite[],
  ask: (cell: CellRpc, site: CellSite) => Promise<Value>,
): Promise<(Value | undefined)[]> {
  if (sites.length === 1) return await Promise.all(sites.map(async (site) => await ask(cellOf(c.env, site), site)));
  return await Promise.all(
    sites.map(async (site) => {
      const asked = ask(cellOf(c.env, site), site).catch((cause: unknown) => {
        const name = cause instanceof Error ? cause.name : "unknown";
        console.warn(logLine({ event: "cell-unreachable", cell: site.name, name }));
        return undefined;
      });
      return await within(asked, ANSWER_WITHIN_MS);
    }),
  );
}
