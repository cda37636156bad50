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

/** Answers the digest that most hosts hold of what several cells serve under one name; among equals that of the first cell. */
export function mostHeld(
  cells: readonly { readonly digest?: string | undefined; readonly copies?: number | undefined }[],
): string | undefined {
  const held = new Map<string, number>();
  for (const { digest, copies = 1 } of cells)
    if (digest !== undefined) held.set(digest, (held.get(digest) ?? 0) + copies);
  let best: string | undefined;
  for (const [digest, count] of held) if (best === undefined || count > (held.get(best) ?? 0)) best = digest;
  return best;
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
