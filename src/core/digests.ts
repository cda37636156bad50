// One name, one model: where hosts hold different files under a name, the majority's is the one the fleet serves.
import type { FleetModel } from "./state.ts";

interface Copies {
  readonly digest: string;
  count: number;
  newestAt: number;
}

/** Answers the digest most copies have; among equals that of the newest copy. Undefined without copies. */
export function majorityDigest(copies: Iterable<FleetModel>): string | undefined {
  return rankDigests(copies)[0]?.digest;
}

/** Lists the digests of copies of one model, the one to serve first. */
export function rankDigests(copies: Iterable<FleetModel>): Copies[] {
  const byDigest = new Map<string, Copies>();
  for (const { digest, modifiedAt } of copies) {
    const entry = byDigest.get(digest) ?? { digest, count: 0, newestAt: -Infinity };
    entry.count += 1;
    entry.newestAt = Math.max(entry.newestAt, instantOf(modifiedAt));
    byDigest.set(digest, entry);
  }
  return [...byDigest.values()].sort(
    (a, b) => b.count - a.count || descending(a.newestAt, b.newestAt) || (a.digest < b.digest ? -1 : 1),
  );
}

/** Reads an RFC 3339 time as epoch ms; what cannot be read is older than everything. */
export function instantOf(text: string): number {
  const at = Date.parse(text);
  return Number.isNaN(at) ? -Infinity : at;
}

/** Orders numbers from high to low, infinities included. */
export function descending(a: number, b: number): number {
  if (a === b) return 0;
  return a > b ? -1 : 1;
}
