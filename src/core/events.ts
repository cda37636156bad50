// What happens to a fleet, and what it asks its shell to do about it.
import type { Order } from "../wire/heartbeat.ts";
import type { HostRegistration } from "../wire/host.ts";
import type { Grant, LeaseRequest, Outcome, Refusal } from "../wire/lease.ts";
import type { FleetBeat, FleetModel } from "./state.ts";

/** What outlives the fleet's memory of a host. */
export interface HostPast {
  /** Runs of its agent, newest first. */
  readonly runs: readonly string[];
  readonly provenRun?: string | undefined;
  /** What it had on disk when it was last taken out of service. */
  readonly models?: readonly FleetModel[] | undefined;
}

export type FleetEvent =
  | { readonly type: "host-registered"; readonly registration: HostRegistration; readonly past?: HostPast | undefined }
  /** The agent of a run has answered a challenge that was sent through its hostname. */
  | { readonly type: "host-proven"; readonly hostId: string; readonly runId: string }
  | { readonly type: "host-removed"; readonly hostId: string }
  | { readonly type: "host-drained"; readonly hostId: string; readonly drained: boolean }
  | { readonly type: "heartbeat"; readonly hostId: string; readonly beat: FleetBeat }
  | { readonly type: "acquire"; readonly request: LeaseRequest; readonly leaseId: string }
  | { readonly type: "settle"; readonly leaseId: string; readonly outcome: Outcome }
  | { readonly type: "cancel"; readonly requestId: string }
  /** Somebody has it unloaded: what was asked of it before is no reason to load it again. */
  | { readonly type: "model-unwanted"; readonly model: string }
  | { readonly type: "tick" };

export type Effect =
  | { readonly type: "granted"; readonly requestId: string; readonly grant: Grant }
  | { readonly type: "refused"; readonly requestId: string; readonly refusal: Refusal }
  | { readonly type: "order"; readonly hostId: string; readonly order: Order }
  | {
      readonly type: "heartbeat-accepted";
      readonly hostId: string;
      readonly resync: boolean;
      readonly unproven: boolean;
    }
  | {
      readonly type: "heartbeat-refused";
      readonly hostId: string;
      readonly code: "stale_heartbeat" | "unknown_host";
    };

/** Time and chance, handed in with every event. */
export interface StepContext {
  /** Epoch ms. */
  readonly now: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}
