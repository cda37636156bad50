// A run: virtual time, simulated hosts and clients, around whatever decides where requests go.
import { HOST_KINDS } from "./calibration.ts";
import type { ModelKind } from "./calibration.ts";
import { gpuSeconds } from "./cost.ts";
import { FleetHost } from "./fleet-host.ts";
import type { Call, HostSpec, Served } from "./host-spec.ts";
import { measure } from "./metrics.ts";
import type { Metrics, Observation } from "./metrics.ts";
import { forkRandom } from "./random.ts";
import type { Decision } from "../../wire/lease.ts";
import type { Decided, Ending, MakeRouter, Routed, Router, Rules } from "./router.ts";
import type { Workload, WorkItem } from "./traces.ts";
import { VirtualTime } from "./virtual-time.ts";
import type { Timer } from "./virtual-time.ts";

export interface SimulationSpec extends Partial<Rules> {
  readonly workload: Workload;
  readonly fleet: readonly HostSpec[];
  readonly router: MakeRouter;
  readonly seed: number;
  /** Estimates of prompts are off by up to this part, either way. */
  readonly tokenNoise?: number | undefined;
  readonly faults?: readonly Fault[] | undefined;
  /** Requests that reach hosts past the router. */
  readonly foreign?: readonly ForeignRequest[] | undefined;
  /** Told of each decision of a router that explains itself, as it is made. */
  readonly onDecision?: ((decided: Decided) => void) | undefined;
}

/** A host whose first fault is a start joins then, and is down before. */
export interface Fault {
  readonly at: number;
  readonly hostId: string;
  readonly type: "crash" | "start";
}

export interface ForeignRequest {
  readonly hostId: string;
  readonly item: WorkItem;
}

export interface Result {
  readonly metrics: Metrics;
  /** One per request served, in order of their ends. */
  readonly observations: readonly Observation[];
}

/** No client of a benchmark gives up: waiting shows in the times, not in refusals. */
const QUEUE_TIMEOUT_MS = 3_600_000;
const QUEUE_LIMIT = 100_000;
const HEARTBEAT_MS = 5_000;
/** Attempts of a request that hosts refuse or drop before its first token. */
const MAX_ATTEMPTS = 3;
/** How long after the last arrival a run goes on for requests without an end. */
const PATIENCE_MS = 2 * 3_600_000;
/** A host that is gone accepts nothing: the edge's TIMEOUT. */
const CONNECT_TIMEOUT_MS = 500;

/** Runs a workload against a fleet under a router; the same arguments give the same result. */
export function simulate(spec: SimulationSpec): Metrics {
  return observe(spec).metrics;
}

/** Runs as `simulate` does and keeps what became of each request. */
export function observe(spec: SimulationSpec): Result {
  return new Simulation(spec).run();
}

/** A request that has not ended. */
interface Open {
  readonly routed: Routed;
  readonly sentAt?: number | undefined;
  readonly hostId?: string | undefined;
  readonly call?: Call | undefined;
  firstTokenAt?: number | undefined;
}

class Simulation {
  readonly time = new VirtualTime();
  readonly seed: number;
  readonly rules: Rules;
  readonly hosts: ReadonlyMap<string, FleetHost>;
  readonly #spec: SimulationSpec;
  readonly #router: Router;
  readonly #models: ReadonlyMap<string, ModelKind>;
  readonly #open = new Map<string, Open>();
  readonly #patience = new Map<string, Timer>();
  readonly #observations: Observation[] = [];
  readonly #refused: Record<string, number> = {};
  readonly #lost = { broken: 0, left: 0 };

  constructor(spec: SimulationSpec) {
    this.#spec = spec;
    this.seed = spec.seed;
    this.rules = {
      numCtx: spec.numCtx,
      keepAliveMs: spec.keepAliveMs,
      queueTimeoutMs: spec.queueTimeoutMs ?? QUEUE_TIMEOUT_MS,
      queueLimit: spec.queueLimit ?? QUEUE_LIMIT,
      heartbeatIntervalMs: spec.heartbeatIntervalMs ?? HEARTBEAT_MS,
      heartbeatDelayMs: spec.heartbeatDelayMs ?? 0,
    };
    this.hosts = new Map(spec.fleet.map((host) => [host.id, new FleetHost(host, this.time)]));
    this.#models = new Map(spec.fleet.flatMap(({ models }) => models.map((model) => [model.name, model])));
    this.#router = spec.router(this);
  }

  run(): Result {
    this.#scheduleFaults();
    this.#router.start();
    this.#scheduleClients();
    for (const { hostId, item } of this.#spec.foreign ?? []) this.time.at(item.at, () => this.#foreign(hostId, item));
    const lastAt = this.#spec.workload.at(-1)?.at ?? 0;
    while (this.#open.size > 0 && this.time.runNext(lastAt + PATIENCE_MS));
    const loads = [...this.hosts.values()].reduce((sum, { host }) => sum + host.loads, 0);
    const metrics = measure(this.#observations, {
      refused: this.#refused,
      ...this.#lost,
      unfinished: this.#open.size,
      loadsPerHour: (loads * 3_600_000) / Math.max(1, this.time.now),
    });
    return { metrics, observations: this.#observations };
  }

  /** Hands a request to a host; refusals and failures are told at instants of their own, for the router is not done yet. */
  send(routed: Routed, hostId: string, leaseId: string = routed.id): void {
    const before = this.#open.get(routed.id);
    const host = this.hosts.get(hostId);
    if (before === undefined || host === undefined) throw new Error(`${routed.id} was sent to ${hostId}`);
    const open: Open = { routed, hostId, sentAt: this.time.now };
    this.#open.set(routed.id, open);
    if (!host.up) {
      this.time.after(CONNECT_TIMEOUT_MS, () => this.#ended(open, { type: "failed" }));
      return;
    }
    const { model, prompt, outputTokens } = routed.item;
    const { keepAliveMs } = this.rules;
    const numCtx = routed.item.numCtx ?? this.rules.numCtx;
    const later = (ending: Ending): void => {
      this.time.after(0, () => this.#ended(open, ending));
    };
    const call = host.run(
      leaseId,
      { model, prompt, outputTokens, numCtx, keepAliveMs },
      {
        firstToken: (now) => {
          open.firstTokenAt = now;
          this.#router.firstToken?.(routed, hostId);
        },
        served: (served) => this.#ended(open, { type: "served", served }),
        refused: (status) => later({ type: "refused", status }),
        failed: () => later({ type: "failed" }),
      },
    );
    Object.assign(open, { call });
  }

  explain({ id, attempt }: Routed, decision: Decision): void {
    this.#spec.onDecision?.({ requestId: id, attempt, atMs: this.time.now, decision });
  }

  refuse(routed: Routed, code: string): void {
    this.#close(routed.id);
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
  }

  #scheduleFaults(): void {
    const faults = this.#spec.faults ?? [];
    for (const host of this.hosts.values()) {
      const first = faults.find(({ hostId }) => hostId === host.id);
      if (first?.type === "start") host.crash();
    }
    for (const { at, hostId, type } of faults) {
      const host = this.hosts.get(hostId);
      if (host === undefined) throw new Error(`no host ${hostId}`);
      this.time.at(at, () => {
        if (type === "crash") return host.crash();
        host.restart();
        this.#router.joined?.(hostId);
      });
    }
  }

  #scheduleClients(): void {
    const random = forkRandom(this.seed, "token noise");
    const { tokenNoise = 0, workload } = this.#spec;
    for (const [index, item] of workload.entries()) {
      const id = `request-${index}`;
      const estimatedTokens = item.prompt.tokens * (1 + tokenNoise * (2 * random() - 1));
      const routed: Routed = { id, item, attempt: 1, exclude: [], estimatedTokens };
      this.#open.set(id, { routed });
      this.time.at(item.at, () => this.#router.arrived(routed));
      const { patienceMs } = item;
      if (patienceMs !== undefined)
        this.#patience.set(
          id,
          this.time.at(item.at + patienceMs, () => this.#leave(id)),
        );
    }
  }

  #foreign(hostId: string, { model, prompt, outputTokens }: WorkItem): void {
    const host = this.hosts.get(hostId);
    if (host?.up === true) host.host.submit({ model, prompt, outputTokens, ...this.rules }, {});
  }

  #leave(id: string): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#close(id);
    this.#lost.left += 1;
    open.call?.cancel();
    if (open.hostId === undefined) this.#router.left(open.routed);
    else this.#router.ended(open.routed, open.hostId, { type: "left" });
  }

  #close(id: string): void {
    this.#open.delete(id);
    this.#patience.get(id)?.cancel();
  }

  #ended(open: Open, ending: Ending): void {
    const { routed, hostId } = open;
    if (hostId === undefined || this.#open.get(routed.id) !== open) return;
    const retry = (ending.type === "failed" || ending.type === "refused") && open.firstTokenAt === undefined;
    if (retry && routed.attempt < MAX_ATTEMPTS) return this.#retry(open, hostId, ending);
    this.#close(routed.id);
    if (ending.type === "served") this.#observe(open, hostId, ending.served);
    else if (retry) this.#refused["attempts_failed"] = (this.#refused["attempts_failed"] ?? 0) + 1;
    else this.#lost.broken += 1;
    this.#router.ended(routed, hostId, ending);
  }

  #retry({ routed }: Open, hostId: string, ending: Ending): void {
    const again = { ...routed, attempt: routed.attempt + 1, exclude: [...routed.exclude, hostId] };
    this.#open.set(routed.id, { routed: again });
    this.#router.ended(routed, hostId, ending);
    this.#router.arrived(again);
  }

  #observe({ routed: { item, id }, sentAt = 0 }: Open, hostId: string, served: Served): void {
    const { promptTokens, cachedTokens, outputTokens, firstTokenAt, finishedAt } = served;
    const model = this.#models.get(item.model);
    if (model === undefined) throw new Error(`no host has ${item.model}`);
    this.#observations.push({
      id,
      at: item.at,
      tenant: item.tenant,
      model: item.model,
      hostId,
      ttftMs: firstTokenAt - item.at,
      completionMs: finishedAt - item.at,
      queuedMs: sentAt - item.at,
      loadMs: served.loadMs,
      promptTokens,
      cachedTokens,
      outputTokens,
      gpuSeconds: gpuSeconds(HOST_KINDS.rtx3090, model, served),
    });
  }
}
