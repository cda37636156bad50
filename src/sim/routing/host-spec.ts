// What a simulated host is, what it is asked, and what it tells: the words shared by host, agent and runs.
import type { HostKind, ModelKind } from "./calibration.ts";
import type { Prompt } from "./prompt-cache.ts";

export interface HostSpec {
  readonly id: string;
  readonly kind: HostKind;
  /** OLLAMA_NUM_PARALLEL. */
  readonly parallel: number;
  readonly models: readonly ModelKind[];
  /** Most requests at once over all models, as the host's operator allows; all it has slots for unless given. */
  readonly slots?: number | undefined;
  /** OLLAMA_CONTEXT_LENGTH; by the host's memory unless given. */
  readonly contextLength?: number | undefined;
  /** OLLAMA_MAX_LOADED_MODELS; three per GPU unless given. */
  readonly maxLoaded?: number | undefined;
  /** OLLAMA_MAX_QUEUE; 512 unless given. */
  readonly maxQueue?: number | undefined;
  /** LLAMA_ARG_CACHE_RAM; 8 GiB unless given. Zero is a host older than 0.30, which has slots only. */
  readonly hostCacheBytes?: number | undefined;
}

export interface HostRequest {
  readonly model: string;
  readonly prompt: Prompt;
  readonly outputTokens: number;
  readonly numCtx?: number | undefined;
  /** OLLAMA_KEEP_ALIVE (5 min) unless given; Infinity for ever. */
  readonly keepAliveMs?: number | undefined;
}

/** How a request went, as the host measured it. */
export interface Served {
  readonly submittedAt: number;
  /** Until the runner was obtained: pending queue, eviction and load. */
  readonly loadMs: number;
  /** Waiting for a slot inside the host. */
  readonly slotWaitMs: number;
  readonly firstTokenAt: number;
  readonly finishedAt: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

export interface Client {
  firstToken?(now: number): void;
  served?(result: Served): void;
  /** 503: as many requests wait for models as the host allows; 404: no such model. */
  refused?(status: 404 | 503): void;
  /** The host has died, and the request with it. */
  failed?(): void;
}

/** The client's end of a request. */
export interface Call {
  /** Hangs up; without effect once the request has ended. */
  cancel(): void;
}

export interface LoadedModel {
  readonly model: string;
  readonly numCtx: number;
  readonly sizeBytes: number;
  readonly sizeVramBytes: number;
}
