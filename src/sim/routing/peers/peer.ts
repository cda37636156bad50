// The contract of a peer's policy: it sees hosts as that peer would, and names one at once.
import type { HostKind, ModelKind } from "../calibration.ts";
import type { Random } from "../random.ts";
import type { Ending, Routed } from "../router.ts";

/** A host as a router in front of it can know it without asking: what it was sent and has not ended. */
export interface PeerHost {
  readonly id: string;
  readonly kind: HostKind;
  readonly parallel: number;
  readonly models: readonly ModelKind[];
  /** Models that /api/ps lists, at this very moment: no peer polls better than that. */
  loaded(): readonly string[];
  /** Memory no model holds, from the host's agent. */
  freeBytes(): number;
  /** Requests sent and not ended. */
  readonly active: number;
  /** Of these, for one model. */
  activeOf(model: string): number;
  /** Prompt tokens sent whose first token has not come. */
  readonly owedTokens: number;
  /** Tokens of prompts sent and not ended. */
  readonly heldTokens: number;
  /** Prompt tokens that its caches hold now, where a peer is told by events from the host. */
  cachedTokens(request: Routed): number;
}

export interface PeerContext {
  readonly random: Random;
  /** Virtual ms. */
  readonly now: () => number;
  readonly hosts: readonly PeerHost[];
}

export interface PeerPolicy {
  /** Chooses one of the hosts that have the model and are up, of which there is at least one. */
  choose(request: Routed, hosts: readonly PeerHost[]): PeerHost;
  firstToken?(request: Routed, host: PeerHost): void;
  ended?(request: Routed, host: PeerHost, ending: Ending): void;
}

export type MakePeer = (context: PeerContext) => PeerPolicy;

/** Takes the lowest; equals are told apart by chance. */
export function lowest<T>(items: readonly T[], score: (item: T) => number, random: Random): T {
  let best: T[] = [];
  let least = Infinity;
  for (const item of items) {
    const value = score(item);
    if (value > least) continue;
    if (value < least) best = [];
    least = value;
    best.push(item);
  }
  const chosen = best[Math.floor(random() * best.length)];
  if (chosen === undefined) throw new RangeError("nothing to choose from");
  return chosen;
}

/** Draws one with chances in proportion to weights. */
export function drawWeighted<T>(items: readonly T[], weight: (item: T) => number, random: Random): T {
  let rest = random() * items.reduce((sum, item) => sum + weight(item), 0);
  for (const item of items) {
    rest -= weight(item);
    if (rest < 0) return item;
  }
  const last = items.at(-1);
  if (last === undefined) throw new RangeError("nothing to choose from");
  return last;
}
