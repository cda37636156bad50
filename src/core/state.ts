// What the fleet remembers: hosts, leases, the queue. Everything but registrations can be rebuilt from heartbeats.
import type { Heartbeat, ModelOnDisk, RunningModel } from "../wire/heartbeat.ts";
import type { HostRegistration } from "../wire/host.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import type { PolicyName } from "../wire/settings.ts";
import type { Field } from "./eligibility.ts";
import type { Beginnings } from "./beginnings.ts";
import type { HeldPrefixes } from "./prefixes.ts";
import type { Claim, HeldPrompt } from "./prompt-cache.ts";
import type { Meter } from "./speed/meter.ts";
import type { SlotsInferred } from "./speed/slots.ts";
import type { FleetSpeed, HostSpeed, RunnerSpeed } from "./speed/speeds.ts";

export interface FleetSettings {
  readonly maxInstances: number;
  readonly queueTimeoutMs: number;
  readonly queueLimit: number;
  readonly heartbeatIntervalMs: number;
  readonly policy: PolicyName;
  /** The policy of single models that have one of their own; none. */
  readonly policyOf?: ((model: string) => PolicyName | undefined) | undefined;
  /** Whether models that are asked for are loaded ahead on hosts with room to spare; true. */
  readonly spreads?: boolean | undefined;
  /** What the operator prefers, by host id: lower first; 0. */
  readonly tierOf?: ((hostId: string) => number) | undefined;
  /** How long a lease may last when nothing else ends it; 30 min. */
  readonly leaseDeadlineMs?: number | undefined;
  /** How long after a start requests wait for hosts not yet heard, instead of failing; 6 s. */
  readonly warmUpMs?: number | undefined;
  /** Whether somebody starts hosts that are missing: requests then wait for them; false. */
  readonly hostsMayCome?: boolean | undefined;
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
  /** What was foreseen of its request; absent for leases learned from a heartbeat and for control. */
  readonly work?: Work | undefined;
}

/** A model with the options it is started with, on one host: what is in memory or not, fast or slow. */
export interface Runner {
  readonly hostId: string;
  /** Canonical model key. */
  readonly model: string;
  /** Options that differ from the host's own; empty if none. */
  readonly options: string;
  readonly speed: RunnerSpeed;
  readonly held: HeldPrefixes;
  /** What runs here now, in order of grant. */
  readonly work: Work[];
  readonly concurrency: Meter;
  /** Whether it is believed to be in memory. */
  resident: boolean;
  /** Whether its host lists it as partly outside GPU memory. */
  offloaded: boolean;
  /** When it was last ordered to load ahead of requests. */
  orderedAt?: number | undefined;
  /** Context it is started with, tokens; 0 while its host's own is not known. */
  contextLength: number;
}

/** A request under a lease, as foreseen when it was granted. */
export interface Work {
  readonly request: LeaseRequest;
  readonly runner: Runner;
  readonly shape: string;
  readonly matchedBytes: number;
  /** Tokens of the prompt and of the answer, as expected. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly grantedAt: number;
  /** Whether a load, if it needs one, finds the model's file in the page cache. */
  readonly fromPageCache: boolean;
  /** Its own reading, ms. */
  readonly prefillMs: number;
  /** When its first token is expected. */
  readonly firstTokenAt: number;
  /** Others' reading while it waits to be read, and while its answer is written, ms; as expected. */
  prefillHeldMs: number;
  decodeHeldMs: number;
  /** What a delay of it counts against one of others. */
  readonly delayWeight: number;
  /** What it is believed to have got of its runner's prompt cache. */
  readonly claim?: Claim | undefined;
  /** What it has left there. */
  held?: HeldPrompt | undefined;
}

export interface Quiesced {
  readonly model: string;
  readonly options: string;
  readonly until: number;
}

export interface ExpectedEnd {
  readonly at: number;
  /** What is always taken to be left, ms. */
  readonly leastLeftMs: number;
}

/** Work whose lease has ended, until its host reports what it measured. */
export interface EndedWork {
  readonly work: Work;
  readonly endedAt: number;
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
  /** When it was last heard after another had replaced it. */
  rivalHeardAt?: number | undefined;
}

/** What a host has said: present once the fleet has heard it. */
export interface Hearing {
  heardAt: number;
  beat: FleetBeat;
}

export interface Host {
  registration: HostRegistration;
  drained: boolean;
  /** Scale-in is taking it out: no new leases, and it stops once it has none. */
  parked: boolean;
  /** Since when it is heard and cannot serve. */
  unableSince?: number | undefined;
  heard?: Hearing | undefined;
  /** Newest first, a few only. */
  runs: Run[];
  /** By canonical key; kept while Ollama is down, when the host cannot tell. */
  models: Map<string, FleetModel>;
  loaded: Set<string>;
  readonly leases: Map<string, Lease>;
  slotsUsed: number;
  /** Changes with whatever changes for how many requests it has room. */
  changes: number;
  readonly usedByModel: Map<string, number>;
  failure?: Failure | undefined;
  refusedUntil: number;
  /** Errors its Ollama has answered with since it last served a request. */
  errorsInRow: number;
  /** The run whose agent has answered a challenge through the host's hostname. */
  provenRun?: string | undefined;
  /** When a replaced run was last heard: two agents have this host's identity. */
  rivalHeardAt?: number | undefined;
  /** By model and options. */
  readonly runners: Map<string, Runner>;
  readonly speed: HostSpeed;
  readonly slots: SlotsInferred;
  /** How many models were at work, over time. */
  readonly busyModels: Meter;
  /** Waiting requests that are held for it. */
  reserved: number;
  /** Kept from further requests with other options of a model, until those who wait for these have had their turn. */
  quiesced?: Quiesced | undefined;
  /** Forecasts made while nothing of its speed is known. */
  doubted: number;
  /** When the requests it runs are expected to end, the first first; to be listed anew where absent. */
  ends?: readonly ExpectedEnd[] | undefined;
}

export interface Waiting {
  readonly request: LeaseRequest;
  readonly leaseId: string;
  /** What it has in common with requests whose answers are as long. */
  readonly shape: string;
  readonly queuedAt: number;
  /** Until when it may wait. */
  readonly expiresAt: number;
  readonly lane: Lane;
  readonly flow: Flow;
  /** The busy host it waits for although others may be free, what that was to cost, and when. */
  held?: { readonly host: Host; readonly score: number; readonly at: number } | undefined;
}

/** One tenant's requests of one priority. */
export interface Flow {
  /** In order of arrival. */
  readonly waiting: Set<Waiting>;
  /** When one of them was last granted. */
  grantedAt: number;
}

/** Requests that the same hosts may take. */
export interface Lane {
  readonly key: string;
  /** By priority and tenant. */
  readonly flows: Map<string, Flow>;
}

/** What is kept of a tenant while it has requests. */
export interface Tenant {
  readonly name: string;
  /** GPU-seconds it has had, since it has had requests all the time. */
  seconds: number;
  running: number;
  waiting: number;
}

export interface Queue {
  /** By request, in order of arrival. */
  readonly waiting: Map<string, Waiting>;
  /** Those whose wait ends before that of others who came with them, the next to end first. */
  readonly early: Waiting[];
  /** All others: their waits end in the order in which they came. */
  readonly inOrder: Set<Waiting>;
  readonly lanes: Map<string, Lane>;
  /** How many wait for a busy host by choice. */
  held: number;
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
  /** Those that are not dead, the longest unheard first. */
  readonly heard: Set<Host>;
  /** Hosts that have failed, or turned a request away. */
  readonly faltering: Set<Host>;
  /** Hosts kept for other options of a model. */
  readonly quiesced: Set<Host>;
  /** In order of grant, and so of deadline. */
  readonly leases: Map<string, Lease>;
  readonly queue: Queue;
  /** Lease id to the time it was settled. */
  readonly tombstones: Map<string, number>;
  /** Leases that their hosts have ended before the edge has told how, in order of their ends. */
  readonly unsettled: Map<string, { readonly lease: Lease; readonly endedAt: number }>;
  settled: SettledCount[];
  /** Model to the host that got its last lease. */
  readonly lastChosen: Map<string, string>;
  /** Changes with whatever changes which hosts may take which requests, apart from their load. */
  version: number;
  /** Hosts that may have got room since the queue was last gone through. */
  readonly touched: Set<Host>;
  /** The hosts that requests of a kind may go to, by lane. */
  readonly fields: Map<string, Field>;
  /** The version when the whole queue was last gone through. */
  drainedVersion: number;
  /** When those who wait by choice are tried again, epoch ms. */
  retryHeldAt?: number | undefined;
  readonly tenants: Map<string, Tenant>;
  readonly speed: FleetSpeed;
  readonly prefixes: Beginnings;
  /** Numbers the walks through the prefixes. */
  stamps: number;
  /** Requests per ms by model and options, fading. */
  readonly demand: Map<string, { readonly model: string; readonly options: string; rate: number; at: number }>;
  /** Memory of models as hosts list them. */
  readonly footprints: Map<string, number>;
  /** By lease, in order of their ends. */
  readonly ended: Map<string, EndedWork>;
}
