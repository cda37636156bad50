// The contract of a policy: candidates that could all take the request go in, one comes out, with scores for all to see.
import type { PolicyName } from "../../wire/settings.ts";

/** A host that could take the request now. */
export interface Candidate {
  readonly hostId: string;
  readonly freeSlots: number;
  /** Requests it is running, over all models. */
  readonly active: number;
  /** Whether the model is in its memory already. */
  readonly loaded: boolean;
}

export interface PolicyContext {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The host that got the last lease for the same model. */
  readonly previous?: string | undefined;
}

/** Lower is better. */
export interface Score {
  readonly score: number;
  readonly parts: Readonly<Record<string, number>>;
}

export interface Choice {
  /** Index into the candidates. */
  readonly index: number;
  /** One per candidate; undefined for those the policy did not look at. */
  readonly scores: readonly (Score | undefined)[];
}

export interface Policy {
  readonly name: PolicyName;
  /** Chooses one of the candidates, of which there is at least one. */
  choose(candidates: readonly Candidate[], context: PolicyContext): Choice;
}
