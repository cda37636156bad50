// Asking for a lease and giving it back: the verbs between edge and cell, as data (they cross the object's RPC).
import type { ErrorCode } from "./errors.ts";
import type { PublicKey } from "./host.ts";

export type Priority = "low" | "normal" | "high";

/** Who asks. Taken from a verified token only. */
export interface Principal {
  readonly tokenId: string;
  readonly tenant: string;
  readonly priority: Priority;
  readonly pool: string;
  /** What its token allows; absent members are not limited. */
  readonly limits?: TenantLimits | undefined;
}

/** Limits of a token; counted over all tokens of its tenant. */
export interface TenantLimits {
  /** Requests per minute. */
  readonly rpm?: number | undefined;
  /** Requests that run or wait at once. */
  readonly concurrent?: number | undefined;
  /** Tokens, in and out, per day (UTC). */
  readonly tokensPerDay?: number | undefined;
  /** Loads of models per 10 minutes; 30 if absent. */
  readonly loads?: number | undefined;
}

/** What the edge learned of a request, once, when it parsed the body. */
export interface LeaseRequest {
  readonly requestId: string;
  readonly principal: Principal;
  /** Canonical model key (`host/namespace/model:tag`, lower case); absent for requests any online host may answer. */
  readonly model?: string | undefined;
  /** True for a model that Ollama runs in its cloud: any host that may do so can take it, and `model` is absent. */
  readonly cloud?: boolean | undefined;
  /** Capabilities the request cannot do without. */
  readonly needs: readonly string[];
  readonly kind: "chat" | "generate" | "embed" | "control";
  /** True where somebody waits for the first token. */
  readonly streaming: boolean;
  /** Options that force Ollama to reload a model when they differ; empty string when the client set none. */
  readonly runner: string;
  /** True where the request asks that the model be unloaded when it is done (`keep_alive: 0`). */
  readonly unloads?: boolean | undefined;
  readonly numCtx?: number | undefined;
  /** Bytes of text in the prompt, for token estimates. */
  readonly promptBytes: number;
  readonly numPredict?: number | undefined;
  /** Chained hashes of the prompt's beginnings, 52 bits each: at the ends of blocks and of messages. */
  readonly prefix: readonly number[];
  /** Where each of them ends, bytes of text from the start; evenly spread unless told. */
  readonly prefixEnds?: readonly number[] | undefined;
  /** Epoch ms after which nobody wants the answer; the queue never holds the request beyond it. */
  readonly deadlineAt?: number | undefined;
  /** Time that earlier attempts of the request have waited for a slot, ms: QUEUE_TIMEOUT counts over all of them. */
  readonly waitedMs?: number | undefined;
  /** Which part of one request of a client this is, from 0; limits count the first alone. Absent for whole ones. */
  readonly part?: number | undefined;
  readonly pinnedHost?: string | undefined;
  /** False where another cell has a free slot: this one then refuses at once instead of letting the request wait. */
  readonly mayWait?: boolean | undefined;
  /** How many cells were asked before; limits of a tenant are judged by the first. */
  readonly hops?: number | undefined;
  /** Hosts that already failed this request. */
  readonly exclude: readonly string[];
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** `ip:port` of the client's connection where the runtime tells it (plain workerd). */
  readonly connection?: string | undefined;
}

export interface CandidateView {
  readonly hostId: string;
  /** Why the host was out; absent for one that could have been chosen. */
  readonly filtered?: string | undefined;
  readonly freeSlots: number;
  /** Lower is better; what the number means is the policy's business and named in `parts`. */
  readonly score?: number | undefined;
  readonly parts?: Readonly<Record<string, number>> | undefined;
}

/** Why this host: the one object that logs, headers, tests, dashboard and simulator read. */
export interface Decision {
  readonly policy: string;
  readonly chosen: string;
  readonly candidates: readonly CandidateView[];
  /** Hosts beyond those, counted by why they were out; `candidate` for those that could have been chosen. */
  readonly omitted?: Readonly<Record<string, number>> | undefined;
}

export interface Grant {
  readonly leaseId: string;
  readonly hostId: string;
  readonly hostUrl: string;
  readonly hostAgreementKey: PublicKey;
  /** Under which of the edge's keys the leg to this host is; the newest if absent. */
  readonly edgeKey?: string | undefined;
  readonly runId: string;
  readonly attempt: number;
  readonly queuedMs: number;
  /** Epoch ms at which the lease ends by itself. */
  readonly expiresAt: number;
  readonly decision: Decision;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly retryAfterSeconds?: number | undefined;
  /** Where the request stood when it was refused; absent where it did not wait for a slot. */
  readonly queue?: QueuePlace | undefined;
}

export interface QueuePlace {
  /** 1 is next. */
  readonly position: number;
  /** Until its turn, at the measured drain rate; absent while nothing drains. */
  readonly expectedWaitMs?: number | undefined;
}

export type AcquireAnswer =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly refusal: Refusal };

/** How an attempt ended. A client's leaving never counts against a host. */
export type Outcome =
  | { readonly type: "served" }
  | { readonly type: "client-left" }
  | { readonly type: "host-failed"; readonly reason: string }
  /** Its Ollama answered with an error of its own (5xx), which may be the fault of the request or of its model: try another. */
  | { readonly type: "host-erred"; readonly reason: string }
  /** The host answered that it is full or not the one meant (503, 421): try another, it is not dead. */
  | { readonly type: "host-refused"; readonly reason: string };
