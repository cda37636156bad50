// What all handlers share: the state of one simulated Ollama.
import type { Faults } from "./faults.ts";
import type { Gauges } from "./gauges.ts";
import type { SimulatedModel } from "./machine/model.ts";
import type { Scheduler } from "./machine/scheduler.ts";
import type { ModelStore } from "./machine/store.ts";

export type Host = {
  readonly version: string;
  /** Bound to a loopback address: Ollama then looks at the Host header. */
  readonly onLoopback: boolean;
  readonly store: ModelStore;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly gauges: Gauges;
  /** Models that can be pulled. */
  readonly registry: readonly SimulatedModel[];
  readonly pullBytesPerSecond: number;
};
