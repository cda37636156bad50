// The fleet as operators see it: hosts, their models and load, the queue. No keys, no secrets.
import type { Loading, ModelOnDisk, RunningModel } from "./heartbeat.ts";

export type HostStatus = "unheard" | "alive" | "suspect" | "dead";

export interface HostView {
  readonly id: string;
  readonly url: string;
  readonly pool: string;
  readonly region: string;
  /** The cell it belongs to. */
  readonly cell?: string | undefined;
  readonly status: HostStatus;
  readonly drained: boolean;
  /** Scale-in or its own agent is taking it out: it ends what it has and gets nothing new. */
  readonly leaving: boolean;
  /** Its hostname has not been shown to lead to its agent: it gets no requests. */
  readonly unproven: boolean;
  /** Agents with its identity replace each other again and again: it gets no requests until that has been over for a minute. */
  readonly quarantined: boolean;
  /** Since another agent with this host's identity was heard; absent if never. */
  readonly rivalHeardAgoMs?: number | undefined;
  readonly backend: "up" | "down" | "unknown";
  readonly ollamaVersion: string;
  readonly runId: string;
  readonly slots: number;
  readonly activeLeases: number;
  readonly lastHeartbeatAgoMs?: number | undefined;
  readonly models: readonly ModelOnDisk[];
  readonly running: readonly RunningModel[];
  readonly loading: readonly Loading[];
  /** Requests at work as the host itself said last: proof that what was cancelled has ended. */
  readonly reportedLeases: number;
  /** Requests of this run that Ollama stopped only when its connection was reset. */
  readonly forcedCancels: number;
}

/** A request that waits for a slot. */
export interface QueuedView {
  readonly requestId: string;
  readonly model?: string | undefined;
  /** 1 is next. */
  readonly position: number;
  readonly waitedMs: number;
  /** At the measured drain rate; absent while nothing drains. */
  readonly expectedWaitMs?: number | undefined;
}

/** A name under which hosts hold different models. */
export interface ModelConflict {
  readonly name: string;
  /** The digest that clients get. */
  readonly served: string;
  /** Every digest with the hosts that hold it; the served one first. */
  readonly copies: readonly { readonly digest: string; readonly hosts: readonly string[] }[];
}

/** A request among the last ones: where it went, and how it ended so far. */
export interface RecentView {
  readonly requestId: string;
  /** Epoch ms. */
  readonly cameAt: number;
  readonly tenant: string;
  readonly model?: string | undefined;
  /** Of the last attempt. */
  readonly hostId?: string | undefined;
  readonly queuedMs?: number | undefined;
  readonly attempts: number;
  /** `waiting`, `running`, the type of an outcome, or the code of a refusal. */
  readonly outcome: string;
}

/** One cell of the fleet. */
export interface CellView {
  readonly name: string;
  readonly pool: string;
  readonly region: string;
  /** False where the cell did not answer; its hosts are then missing from the view. */
  readonly reachable: boolean;
  readonly hosts: number;
  readonly queued: number;
  readonly activeLeases: number;
  /** Calls since the cell was started, by verb. */
  readonly calls?: Readonly<Record<string, number>> | undefined;
}

export interface FleetView {
  readonly hosts: readonly HostView[];
  readonly conflicts: readonly ModelConflict[];
  readonly queued: number;
  /** The head of the queue, 100 requests at most. */
  readonly queue: readonly QueuedView[];
  readonly activeLeases: number;
  readonly policy: string;
  /** The last requests, newest first, 20 at most. */
  readonly recent?: readonly RecentView[] | undefined;
  readonly cells?: readonly CellView[] | undefined;
}
