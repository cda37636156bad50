// What decides where requests go in a simulation: our fleet is one implementation, each peer another.
import type { Decision } from "../../wire/lease.ts";
import type { FleetHost } from "./fleet-host.ts";
import type { Served } from "./host-spec.ts";
import type { WorkItem } from "./traces.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A request on its way, and which attempt this is. */
export interface Routed {
  readonly id: string;
  readonly item: WorkItem;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Hosts that already failed it. */
  readonly exclude: readonly string[];
  /** The tokens of the prompt as a router may estimate them. */
  readonly estimatedTokens: number;
}

/** How an attempt on a host ended. */
export type Ending =
  | { readonly type: "served"; readonly served: Served }
  | { readonly type: "refused"; readonly status: 404 | 503 }
  | { readonly type: "failed" }
  | { readonly type: "left" };

export interface Router {
  /** Time begins; the hosts that are up are up. */
  start(): void;
  arrived(request: Routed): void;
  firstToken?(request: Routed, hostId: string): void;
  ended(request: Routed, hostId: string, ending: Ending): void;
  /** The client of a request that no host has yet is gone. */
  left(request: Routed): void;
  /** A host has come up; one that goes down says nothing. */
  joined?(hostId: string): void;
}

/** What a router sees of the world, and what it can do in it. */
export interface World {
  readonly time: VirtualTime;
  readonly seed: number;
  readonly hosts: ReadonlyMap<string, FleetHost>;
  readonly rules: Rules;
  /** Hands a request to a host, under the name by which the host's heartbeats list it; how it goes is told later. */
  send(request: Routed, hostId: string, leaseId?: string): void;
  refuse(request: Routed, code: string): void;
  /** Tells why a request goes where it is sent. */
  explain?(request: Routed, decision: Decision): void;
}

/** Why a request, or an attempt of it, went where it did. */
export interface Decided {
  readonly requestId: string;
  readonly attempt: number;
  /** Since the start. */
  readonly atMs: number;
  readonly decision: Decision;
}

/** What holds for all requests of a run. */
export interface Rules {
  /** Sent with every request; each host's default unless given. */
  readonly numCtx?: number | undefined;
  /** Sent with every request; Ollama's five minutes unless given. */
  readonly keepAliveMs?: number | undefined;
  readonly queueTimeoutMs: number;
  readonly queueLimit: number;
  readonly heartbeatIntervalMs: number;
  /** How long a heartbeat is under way. */
  readonly heartbeatDelayMs: number;
}

export type MakeRouter = (world: World) => Router;
