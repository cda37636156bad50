// The contract of a policy: candidates that could all take the request go in, one comes out, with scores for all to see.
import type { PolicyName } from "../../wire/settings.ts";

/** A host that could take the request: now, or, for policies that look ahead, once it has a free slot. */
export interface Candidate {
  readonly hostId: string;
  /** 0 only for policies that look ahead. */
  readonly freeSlots: number;
  /** Requests it is running, over all models. */
  readonly active: number;
  /** Whether the model is in its memory already. */
  readonly loaded: boolean;
  /** What the operator prefers: lower first; 0 unless told. */
  readonly tier?: number | undefined;
  /** What the request would cost there, s; for policies that look ahead, unless the wait alone costs more than a free host. */
  readonly cost?: number | undefined;
}

export interface PolicyContext {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The host that got the last lease for the same model. */
  readonly previous?: string | undefined;
  /** What the requests of a conversation have in common; undefined where nothing is known of it. */
  readonly session?: string | undefined;
  /** How long the request has waited, ms. */
  readonly waitedMs?: number | undefined;
}

/** Lower is better. */
export interface Score {
  readonly score: number;
  /** Absent for costs: what they are made of is written down for those that are shown. */
  readonly parts?: Readonly<Record<string, number>> | undefined;
}

export interface Choice {
  /** Index into the candidates; one without a free slot is waited for. */
  readonly index: number;
  /** One per candidate; undefined for those the policy did not look at. */
  readonly scores: readonly (Score | undefined)[];
}

export interface Policy {
  readonly name: PolicyName;
  /** Whether it is shown hosts without a free slot too, and costs; it may then choose to wait for one. */
  readonly looksAhead?: boolean;
  /** Tells whether a free host is good enough beside a busy one that is better, given their scores. */
  readonly settles?: (free: number, best: number, waitedMs: number) => boolean;
  /** Chooses one of the candidates, of which there is at least one. */
  choose(candidates: readonly Candidate[], context: PolicyContext): Choice;
}
