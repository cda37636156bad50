// What the fleet remembers: hosts, leases, the queue. Everything but registrations can be rebuilt from heartbeats.
import type { Heartbeat, ModelOnDisk, RunningModel } from "../wire/heartbeat.ts";
import type { HostRegistration } from "../wire/host.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import type { PolicyName } from "../wire/settings.ts";

export interface FleetSettings {
  readonly maxInstances: number;
  readonly queueTimeoutMs: number;
  readonly queueLimit: number;
  readonly heartbeatIntervalMs: number;
  readonly policy: PolicyName;
  /** How long a lease may last when nothing else ends it; 30 min. */
  readonly leaseDeadlineMs?: number | undefined;
  /** How long after a start requests wait for hosts not yet heard, instead of failing; 6 s. */
  readonly warmUpMs?: number | undefined;
}

/** A model as a host lists it, with its canonical key. */
export type FleetModel = ModelOnDisk & { readonly key: string };

/** A loaded model as a host lists it, with its canonical key. */
export type FleetRunning = RunningModel & { readonly key: string };

/** A heartbeat after the shell has read its model names. */
export type FleetBeat = Omit<Heartbeat, "models" | "running"> & {
  readonly models: readonly FleetModel[];
  readonly running: readonly FleetRunning[];
};

export interface Lease {
  readonly id: string;
  /** Absent for leases learned from a heartbeat. */
  readonly requestId?: string | undefined;
  readonly hostId: string;
  readonly model?: string | undefined;
  /** Control leases occupy no slot. */
  readonly control: boolean;
  readonly grantedAt: number;
  readonly expiresAt: number;
  /** Whether a heartbeat has listed it. */
  listed: boolean;
  /** Heartbeats since its grant that did not list it; counts only while none has. */
  missed: number;
}

/** A failing data path: the host is suspect, and tried again with one lease after each backoff. */
export interface Failure {
  readonly backoffMs: number;
  readonly retryAt: number;
  probeLeaseId?: string | undefined;
}

/** A run of a host's agent, and the highest sequence number heard from it. */
export interface Run {
  readonly id: string;
  sequence: number;
}

/** What a host has said: present once the fleet has heard it. */
export interface Hearing {
  heardAt: number;
  beat: FleetBeat;
}

export interface Host {
  registration: HostRegistration;
  drained: boolean;
  heard?: Hearing | undefined;
  /** Newest first, a few only. */
  runs: Run[];
  /** By canonical key; kept while Ollama is down, when the host cannot tell. */
  models: Map<string, FleetModel>;
  loaded: Set<string>;
  readonly leases: Map<string, Lease>;
  slotsUsed: number;
  readonly usedByModel: Map<string, number>;
  failure?: Failure | undefined;
  refusedUntil: number;
}

export interface Waiting {
  readonly request: LeaseRequest;
  readonly leaseId: string;
  readonly queuedAt: number;
  /** Whether it has been placed before, and found no host with a free slot. */
  judged: boolean;
}

/** Leases settled in one second. */
export interface SettledCount {
  readonly second: number;
  count: number;
}

export interface Fleet {
  readonly settings: Required<{ [Key in keyof FleetSettings]: NonNullable<FleetSettings[Key]> }>;
  readonly createdAt: number;
  /** Time of the last event: everything due by then has been done. */
  steppedAt: number;
  readonly hosts: Map<string, Host>;
  /** In order of grant, and so of deadline. */
  readonly leases: Map<string, Lease>;
  queue: Waiting[];
  /** Lease id to the time it was settled. */
  readonly tombstones: Map<string, number>;
  settled: SettledCount[];
  /** Model to the host that got its last lease. */
  readonly lastChosen: Map<string, string>;
}
