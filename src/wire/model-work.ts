// Work on models themselves, beside running them: what is asked for, and at which hosts it is to be done.
import type { Grant, Refusal } from "./lease.ts";
import type { Result } from "./result.ts";

export type ModelWork = "pull" | "push" | "create" | "copy" | "delete" | "load" | "unload";

export interface WorkQuery {
  readonly work: ModelWork;
  /** Canonical key of the model that must be there; for a pull the one that is wanted. */
  readonly model?: string | undefined;
  readonly pool: string;
  /** Where an operator wants it done; the fleet chooses unless given. */
  readonly hosts?: readonly string[] | undefined;
  /** Hosts that shall have the model in the end. */
  readonly copies?: number | undefined;
  /** True where fewer will do, because other cells make up the number. */
  readonly orFewer?: boolean | undefined;
  /** Who asks: what one has uploaded and what it creates from that meet at one host. */
  readonly builder: string;
}

/** The authority for one call at one host; work on models takes no slot and no lease. */
export type WorkTarget = Pick<
  Grant,
  "leaseId" | "hostId" | "hostUrl" | "hostAgreementKey" | "runId" | "attempt" | "expiresAt"
>;

export interface WorkPlan {
  readonly targets: readonly WorkTarget[];
  /** Hosts that have the model, too, and cannot be reached. */
  readonly offline: readonly string[];
  /** How many of the targets have the model already. */
  readonly holders: number;
}

export type WorkAnswer = Result<WorkPlan, Refusal>;
