// The beginnings of prompts as a tree: stretches of chained hashes that the same runners have read, each going on from another.
import type { Runner } from "./state.ts";

/** Hashes in a row that whoever has read one of them has read all of. */
export interface Stretch {
  /** What comes before. */
  parent: Stretch | undefined;
  hashes: readonly number[];
  /** Who has read it, and in how many ways: a prompt that ends here is one, and each stretch read on from here. */
  readonly readers: Map<Runner, number>;
  /** The last hash of the request of this number (`stamp`) that is here, and where its text ends, bytes. */
  at: number;
  bytes: number;
  stamp: number;
}

/** A stretch, and where in a prompt's hashes one of its own is. */
export interface Place {
  readonly stretch: Stretch;
  readonly at: number;
}

/** Where each hash is: one walk up the tree finds what every runner has read of a prompt. */
export type Beginnings = Map<number, Stretch>;

/** Answers the last stretch of a prompt, made where it is new. */
export function stretchOf(tree: Beginnings, hashes: readonly number[]): Stretch | undefined {
  const known = lastKnown(tree, hashes);
  const before = known === undefined ? undefined : endAt(tree, known.stretch, hashes[known.at]);
  const rest = hashes.slice((known?.at ?? -1) + 1);
  if (rest.length === 0) return before;
  const stretch = newStretch(before, rest);
  for (const hash of rest) tree.set(hash, stretch);
  return stretch;
}

/** Records that a runner has read up to the end of a stretch. */
export function read(stretch: Stretch | undefined, runner: Runner): void {
  for (let at = stretch; at !== undefined; at = at.parent) {
    const ways = at.readers.get(runner) ?? 0;
    at.readers.set(runner, ways + 1);
    if (ways > 0) return;
  }
}

/** Takes one way of having read a stretch back; what nobody has read any more is forgotten. */
export function unread(tree: Beginnings, stretch: Stretch | undefined, runner: Runner): void {
  for (let at = stretch; at !== undefined; at = at.parent) {
    const ways = (at.readers.get(runner) ?? 1) - 1;
    if (ways > 0) return void at.readers.set(runner, ways);
    at.readers.delete(runner);
    if (at.readers.size === 0) for (const hash of at.hashes) tree.delete(hash);
  }
}

/** Visits the stretches a prompt begins with, from a place on upwards, each with the place of the last hash it has of the prompt. */
export function visitBeginnings(
  last: Place,
  hashes: readonly number[],
  visit: (stretch: Stretch, at: number) => void,
): void {
  let { at } = last;
  for (let stretch: Stretch | undefined = last.stretch; stretch !== undefined; stretch = stretch.parent) {
    const place = stretch === last.stretch ? at : placeIn(hashes, stretch, at);
    if (place === -1) continue;
    at = place;
    visit(stretch, at);
  }
}

/**
 * Answers where the last hash of a prompt that is known is. In strides that is faster where little is known; where a
 * longer prompt has left hashes out, it may be one shortly before.
 */
export function lastKnown(tree: Beginnings, hashes: readonly number[], stride = 1): Place | undefined {
  for (let at = hashes.length - 1; at > -stride; at -= stride) {
    const found = placeAt(tree, hashes, Math.max(0, at));
    if (found === undefined) continue;
    for (let later = at + stride - 1; later > at; later -= 1) {
      const further = placeAt(tree, hashes, later);
      if (further !== undefined) return further;
    }
    return found;
  }
  return undefined;
}

function placeAt(tree: Beginnings, hashes: readonly number[], at: number): Place | undefined {
  const hash = hashes[at];
  const stretch = hash === undefined ? undefined : tree.get(hash);
  return stretch === undefined ? undefined : { stretch, at };
}

function newStretch(parent: Stretch | undefined, hashes: readonly number[]): Stretch {
  return { parent, hashes, readers: new Map(), at: -1, bytes: 0, stamp: -1 };
}

/** The stretch that ends at a hash: one that goes on behind it is cut there. */
function endAt(tree: Beginnings, stretch: Stretch, hash: number | undefined): Stretch {
  if (hash === undefined || stretch.hashes.at(-1) === hash) return stretch;
  const cut = stretch.hashes.indexOf(hash) + 1;
  const head = newStretch(stretch.parent, stretch.hashes.slice(0, cut));
  for (const runner of stretch.readers.keys()) head.readers.set(runner, 1);
  for (const own of head.hashes) tree.set(own, head);
  stretch.parent = head;
  stretch.hashes = stretch.hashes.slice(cut);
  return head;
}

/** The last of a stretch's hashes that a prompt has; long prompts leave some of theirs out. */
function placeIn(hashes: readonly number[], stretch: Stretch, before: number): number {
  for (let index = stretch.hashes.length - 1; index >= 0; index -= 1) {
    const at = hashes.lastIndexOf(stretch.hashes[index] ?? 0, before);
    if (at !== -1) return at;
  }
  return -1;
}
