// The verbs between edge and cell, as one interface: the cell implements it, the edge calls it over the object's RPC.
import type { CellSummary } from "./cell-summary.ts";
import type { ErrorCode } from "./errors.ts";
import type { FleetView } from "./fleet-view.ts";
import type { Heartbeat, HeartbeatAnswer, ModelOnDisk, RunningModel } from "./heartbeat.ts";
import type { HostRegistration, PublicKey } from "./host.ts";
import type { AcquireAnswer, Decision, Grant, LeaseRequest, Outcome, Refusal } from "./lease.ts";
import type { ScaleView } from "./scale.ts";
import type { WorkAnswer, WorkQuery } from "./model-work.ts";

/** A row of a list, and how many hosts hold that very model. */
export interface CatalogModel extends ModelOnDisk {
  readonly copies: number;
}

/** What clients may list: merged over all online hosts. */
export interface CatalogView {
  readonly models: readonly CatalogModel[];
  readonly running: readonly RunningModel[];
  /** Lowest Ollama version online; empty when no host was ever heard. */
  readonly version: string;
  /** Whether any host runs models in Ollama's cloud. */
  readonly cloud: boolean;
}

/** Whose models: those of a pool's hosts (`*` is every pool), or of one host among them. */
export interface CatalogQuery {
  readonly pool: string;
  readonly hostId?: string | undefined;
  /** Canonical key of the one model that is wanted; all if absent. */
  readonly model?: string | undefined;
}

export type HeartbeatVerdict =
  | {
      readonly ok: true;
      readonly answer: HeartbeatAnswer;
      /** Set where the agent has yet to prove itself through its hostname. */
      readonly prove?: HostRegistration | undefined;
    }
  | { readonly ok: false; readonly code: Extract<ErrorCode, "new_cell">; readonly memory: string }
  | { readonly ok: false; readonly code: Extract<ErrorCode, "stale_heartbeat" | "unknown_host"> };

export type JoinVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: Extract<ErrorCode, "conflict" | "too_many_hosts"> };

export interface CellRpc {
  /** Grants, refuses or waits for a slot; `previous` settles the failed attempt in the same call. */
  acquireLease(request: LeaseRequest, previous?: FailedAttempt): Promise<AcquireAnswer>;
  settleLease(leaseId: string, outcome: Outcome): Promise<void>;
  /** Ends what a client waits for that has left: in the queue, or granted and not yet known to the edge. */
  cancelRequest(requestId: string): Promise<void>;
  /**
   * Ends what clients on these connections (`ip:port`) wait for: queued requests are refused, leases end as client-left.
   * Answers with the leases whose agents must be told at once; a heartbeat would tell them seconds later.
   */
  cancelConnections(connections: readonly string[]): Promise<readonly CancelledLease[]>;
  recordHeartbeat(hostId: string, beat: Heartbeat): Promise<HeartbeatVerdict>;
  joinHost(registration: HostRegistration, joinTokenId: string): Promise<JoinVerdict>;
  /** The agent of this run has answered a challenge through the host's hostname. */
  proveHost(hostId: string, runId: string): Promise<void>;
  /** The key that signs the host's heartbeats; undefined for a host nobody registered. */
  readHostKey(hostId: string): Promise<PublicKey | undefined>;
  removeHost(hostId: string): Promise<boolean>;
  drainHost(hostId: string, drained: boolean): Promise<boolean>;
  /** Undefined for a host that is not there. */
  readCatalog(query: CatalogQuery): Promise<CatalogView | undefined>;
  readUsage(query: UsageQuery): Promise<readonly UsageView[]>;
  /** One of the last requests, where it is the tenant's own; any for an operator, who names none. */
  readRequest(requestId: string, tenant?: string): Promise<RequestView | undefined>;
  readFleet(): Promise<CellFleetView>;
  readScale(): Promise<ScaleView>;
  readSummary(): Promise<CellSummary>;
  /** Chooses the hosts for work on a model and gives the authority for it; undone, it costs nothing. */
  planWork(query: WorkQuery): Promise<WorkAnswer>;
}

/** The fleet of one cell. */
export interface CellFleetView extends FleetView {
  /** Calls since the cell was started, by verb. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface UsageQuery {
  /** Whose; everybody's if absent. */
  readonly tenant?: string | undefined;
  /** First day (UTC), as 2026-11-23. */
  readonly sinceDay: string;
}

/** What a tenant used of a model on a day. */
export interface UsageView {
  readonly tenant: string;
  readonly day: string;
  readonly model: string;
  readonly requests: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Why this host: a request with the decision behind each of its attempts. */
export interface RequestView {
  readonly requestId: string;
  readonly tenant: string;
  readonly model?: string | undefined;
  readonly kind: string;
  readonly streaming: boolean;
  /** Epoch ms. */
  readonly cameAt: number;
  readonly refusal?: Refusal | undefined;
  readonly attempts: readonly {
    readonly leaseId: string;
    readonly hostId: string;
    readonly grantedAt: number;
    readonly queuedMs: number;
    readonly decision: Decision;
    readonly outcome?: Outcome | undefined;
    readonly endedAt?: number | undefined;
  }[];
}

export interface FailedAttempt {
  readonly leaseId: string;
  readonly outcome: Outcome;
}

/** A lease whose client left, with what the edge needs to tell the agent. */
export interface CancelledLease {
  readonly requestId: string;
  readonly grant: Grant;
}
