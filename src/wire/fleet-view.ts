// The fleet as operators see it: hosts, their models and load, the queue. No keys, no secrets.
import type { ModelOnDisk, RunningModel } from "./heartbeat.ts";

export type HostStatus = "unheard" | "alive" | "suspect" | "dead";

export interface HostView {
  readonly id: string;
  readonly url: string;
  readonly pool: string;
  readonly region: string;
  readonly status: HostStatus;
  readonly drained: boolean;
  readonly backend: "up" | "down" | "unknown";
  readonly ollamaVersion: string;
  readonly runId: string;
  readonly slots: number;
  readonly activeLeases: number;
  readonly lastHeartbeatAgoMs?: number | undefined;
  readonly models: readonly ModelOnDisk[];
  readonly running: readonly RunningModel[];
}

export interface FleetView {
  readonly hosts: readonly HostView[];
  readonly queued: number;
  readonly activeLeases: number;
  readonly policy: string;
}
