// Which cell is near: regions of the world, the order in which each looks to the others, and where a client stands.
import type { CellSite, Place, Region } from "../../wire/cells.ts";

/** For each region the others, the nearest first, by the usual round-trip times over the cables between them. */
const SPILL: Readonly<Record<Region, readonly Region[]>> = {
  wnam: ["enam", "apac-ne", "apac", "weur", "oc", "eeur", "apac-se", "sam", "me", "afr"],
  enam: ["wnam", "weur", "eeur", "sam", "apac-ne", "me", "apac", "oc", "apac-se", "afr"],
  sam: ["enam", "wnam", "weur", "eeur", "apac-ne", "me", "oc", "apac", "apac-se", "afr"],
  weur: ["eeur", "enam", "me", "wnam", "afr", "apac-se", "apac", "sam", "apac-ne", "oc"],
  eeur: ["weur", "me", "enam", "wnam", "afr", "apac-se", "apac", "sam", "apac-ne", "oc"],
  apac: ["apac-se", "apac-ne", "oc", "me", "wnam", "weur", "eeur", "enam", "afr", "sam"],
  "apac-ne": ["apac", "apac-se", "wnam", "oc", "enam", "me", "weur", "eeur", "sam", "afr"],
  "apac-se": ["apac", "apac-ne", "me", "oc", "weur", "wnam", "eeur", "enam", "afr", "sam"],
  oc: ["apac-se", "apac", "apac-ne", "wnam", "me", "enam", "weur", "eeur", "sam", "afr"],
  afr: ["weur", "eeur", "me", "enam", "apac-se", "apac", "wnam", "sam", "apac-ne", "oc"],
  me: ["weur", "eeur", "apac-se", "apac", "enam", "afr", "apac-ne", "oc", "wnam", "sam"],
};

/**
 * Orders cells by nearness to a place; a cell that stands nowhere in particular is last. Equals keep their order, or are
 * told apart by a key: requests that share one meet in the same shard, and keys spread over all shards (rendezvous
 * hashing, Thaler and Ravishankar 1998).
 */
export function byNearness(sites: readonly CellSite[], place: Place, key?: string): CellSite[] {
  const order: readonly Place[] = place === "any" ? [] : [place, ...SPILL[place]];
  const rankOf = ({ region }: CellSite): number => (order.includes(region) ? order.indexOf(region) : order.length);
  const ranked = sites.map((site) => ({
    site,
    rank: rankOf(site),
    weight: key === undefined ? 0 : weigh(`${key} ${site.name}`),
  }));
  return ranked.sort((a, b) => a.rank - b.rank || a.weight - b.weight).map(({ site }) => site);
}

/** FNV-1a, with the finish of MurmurHash3 so that texts that differ in their last letter lie far apart. */
function weigh(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Answers the cells that take hosts, or requests, of a pool. */
export function inPool(sites: readonly CellSite[], pool: string): readonly CellSite[] {
  return pool === "*" ? sites : sites.filter((site) => site.pool === "*" || site.pool === pool);
}

/** What the runtime tells of where a request comes from. */
export interface Whereabouts {
  /** Cloudflare's two letters: AF AN AS EU NA OC SA, or T1 for Tor. */
  readonly continent?: string | undefined;
  /** ISO 3166-1. */
  readonly country?: string | undefined;
  /** Degrees. */
  readonly latitude?: number | undefined;
  readonly longitude?: number | undefined;
}

const MIDDLE_EAST = new Set(["AE", "BH", "IL", "IQ", "IR", "JO", "KW", "LB", "OM", "PS", "QA", "SA", "SY", "YE"]);
const SOUTH_ASIA = new Set(["BD", "BT", "IN", "LK", "MV", "NP", "PK"]);
/** Between Denver and Chicago. */
const AMERICAS_DIVIDE = -100;
/** East of Berlin. */
const EUROPE_DIVIDE = 14;
/** Between Manila and Taipei. */
const ASIA_DIVIDE = 20;

const WHOLE: Readonly<Record<string, Region>> = { SA: "sam", AF: "afr", OC: "oc", AN: "oc" };

/** Names the region a request comes from. */
export function placeOf({ continent = "", country = "", latitude = 0, longitude = 0 }: Whereabouts): Place {
  switch (continent) {
    case "NA":
      return longitude < AMERICAS_DIVIDE ? "wnam" : "enam";
    case "EU":
      return longitude > EUROPE_DIVIDE ? "eeur" : "weur";
    case "AS":
      return placeInAsia(country, latitude);
    default:
      return WHOLE[continent] ?? "any";
  }
}

function placeInAsia(country: string, latitude: number): Place {
  if (MIDDLE_EAST.has(country)) return "me";
  return latitude > ASIA_DIVIDE && !SOUTH_ASIA.has(country) ? "apac-ne" : "apac-se";
}
