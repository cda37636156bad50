// The cells of a Hive: where they stand, which hosts they take, and how CELLS names them.
import * as z from "zod";

/** Cloudflare's location hints for Durable Objects. */
export const REGIONS = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;
export type Region = (typeof REGIONS)[number];
/** Where something stands; `any` where nobody can tell, or it does not matter. */
export type Place = Region | "any";

export interface CellSite {
  /** The object's name: `cell:POOL:REGION` or `cell:POOL:REGION:SHARD`. */
  readonly name: string;
  /** The hosts' pool it takes; `*` for all. */
  readonly pool: string;
  readonly region: Place;
}

/** What a Hive has that names no cells: one, for all pools, made where it is first asked. */
export const ONE_CELL: CellSite = { name: "cell:default:any", pool: "*", region: "any" };

/** Most cells: every one is asked when the whole fleet is looked at. */
const CELLS_MAX = 256;
const SITE = /^([a-z0-9][a-z0-9_.-]{0,62}):([a-z-]+)(:\d{1,4})?$/;

/** Reads `POOL:REGION[:SHARD], …`; empty is one cell. */
export const cellsSetting = z.string().transform((text, context): readonly CellSite[] => {
  const parts = text.split(",").map((part) => part.trim().toLowerCase());
  const sites: CellSite[] = [];
  for (const part of parts.filter((part) => part !== "")) {
    const [, pool, region] = SITE.exec(part) ?? [];
    if (pool === undefined || !isPlace(region)) {
      context.addIssue(`"${part}" is not POOL:REGION or POOL:REGION:SHARD; regions are ${REGIONS.join(", ")}, any`);
      return z.NEVER;
    }
    sites.push({ name: `cell:${part}`, pool, region });
  }
  if (new Set(sites.map(({ name }) => name)).size < sites.length) context.addIssue("a cell is named twice");
  if (sites.length > CELLS_MAX) context.addIssue(`at most ${CELLS_MAX} cells`);
  return sites.length === 0 ? [ONE_CELL] : sites;
});

export function isPlace(text: string | undefined): text is Place {
  return text === "any" || REGIONS.some((region) => region === text);
}
