// A run: virtual time around the fleet that also decides in production, with simulated hosts and clients.
import { createFleet, nextWakeAt, step } from "../../core/fleet.ts";
import type { Effect, Fleet, FleetEvent } from "../../core/fleet.ts";
import type { Grant, LeaseRequest } from "../../wire/lease.ts";
import type { PolicyName } from "../../wire/settings.ts";
import { decodeRate, decodeWork, HOST_KINDS, prefillRate, prefillWork } from "./calibration.ts";
import type { ModelKind } from "./calibration.ts";
import { FleetHost } from "./fleet-host.ts";
import type { HostSpec, Served } from "./host-model.ts";
import { measure } from "./metrics.ts";
import type { Metrics, Observation } from "./metrics.ts";
import { forkRandom } from "./random.ts";
import type { Random } from "./random.ts";
import type { Workload, WorkItem } from "./traces.ts";
import { VirtualTime } from "./virtual-time.ts";
import type { Timer } from "./virtual-time.ts";

export interface SimulationSpec {
  readonly workload: Workload;
  readonly fleet: readonly HostSpec[];
  readonly policy: PolicyName;
  readonly seed: number;
  readonly queueTimeoutMs?: number | undefined;
  readonly queueLimit?: number | undefined;
  /** Sent with every request; each host's default unless given. */
  readonly numCtx?: number | undefined;
  /** Sent with every request; Ollama's five minutes unless given. */
  readonly keepAliveMs?: number | undefined;
}

const HEARTBEAT_MS = 5_000;
/** No client of a benchmark gives up: waiting shows in the times, not in refusals. */
const QUEUE_TIMEOUT_MS = 3_600_000;
const QUEUE_LIMIT = 100_000;
/** Attempts of a request that hosts refuse. */
const MAX_ATTEMPTS = 3;
/** How long after the last arrival a run goes on for requests without an end. */
const PATIENCE_MS = 2 * 3_600_000;
/** Estimate of the bytes of text in a token. */
const BYTES_PER_TOKEN = 4;
const REFERENCE = HOST_KINDS.rtx3090;

/** Runs a workload against a fleet under a policy; the same arguments give the same result. */
export function simulate(spec: SimulationSpec): Metrics {
  return new Simulation(spec).run();
}

class Simulation {
  readonly #spec: SimulationSpec;
  readonly #time = new VirtualTime();
  readonly #random: Random;
  readonly #fleet: Fleet;
  readonly #hosts: ReadonlyMap<string, FleetHost>;
  readonly #models: ReadonlyMap<string, ModelKind>;
  readonly #open = new Map<string, WorkItem>();
  readonly #observations: Observation[] = [];
  readonly #refused: Record<string, number> = {};
  #leases = 0;
  #wake: Timer | undefined;

  constructor(spec: SimulationSpec) {
    this.#spec = spec;
    this.#random = forkRandom(spec.seed, "policy");
    this.#hosts = new Map(spec.fleet.map((host) => [host.id, new FleetHost(host, this.#time)]));
    this.#models = new Map(spec.fleet.flatMap(({ models }) => models.map((model) => [model.name, model])));
    const settings = {
      maxInstances: spec.fleet.length,
      queueTimeoutMs: spec.queueTimeoutMs ?? QUEUE_TIMEOUT_MS,
      queueLimit: spec.queueLimit ?? QUEUE_LIMIT,
      heartbeatIntervalMs: HEARTBEAT_MS,
      policy: spec.policy,
    };
    this.#fleet = createFleet(settings, this.#time.now);
  }

  run(): Metrics {
    for (const host of this.#hosts.values()) {
      this.#step({ type: "host-registered", registration: host.register() });
      this.#heartbeat(host);
    }
    for (const [index, item] of this.#spec.workload.entries()) {
      const requestId = `request-${index}`;
      this.#open.set(requestId, item);
      this.#time.at(item.at, () => this.#acquire(requestId, item, { attempt: 1, exclude: [] }));
    }
    const lastAt = this.#spec.workload.at(-1)?.at ?? 0;
    while (this.#open.size > 0 && this.#time.runNext(lastAt + PATIENCE_MS));
    const loads = [...this.#hosts.values()].reduce((sum, { host }) => sum + host.loads, 0);
    return measure(this.#observations, {
      refused: this.#refused,
      unfinished: this.#open.size,
      loadsPerHour: (loads * 3_600_000) / Math.max(1, this.#time.now),
    });
  }

  #heartbeat(host: FleetHost): void {
    this.#step({ type: "heartbeat", hostId: host.id, beat: host.beat() });
    this.#time.after(HEARTBEAT_MS, () => this.#heartbeat(host));
  }

  #acquire(requestId: string, item: WorkItem, again: Pick<LeaseRequest, "attempt" | "exclude">): void {
    this.#leases += 1;
    const request: LeaseRequest = {
      requestId,
      principal: { tokenId: item.tenant, tenant: item.tenant, priority: "normal", pool: "*" },
      model: item.model,
      needs: [],
      kind: "chat",
      streaming: true,
      runner: this.#spec.numCtx === undefined ? "" : `num_ctx=${this.#spec.numCtx}`,
      numCtx: this.#spec.numCtx,
      promptBytes: item.prompt.tokens * BYTES_PER_TOKEN,
      prefix: item.prompt.blocks,
      ...again,
    };
    this.#step({ type: "acquire", request, leaseId: `lease-${this.#leases}` });
  }

  #step(event: FleetEvent): void {
    const effects = step(this.#fleet, event, { now: this.#time.now, random: this.#random });
    for (const effect of effects) this.#carryOut(effect);
    this.#wake?.cancel();
    const wakeAt = nextWakeAt(this.#fleet);
    if (wakeAt !== undefined) this.#wake = this.#time.at(wakeAt, () => this.#step({ type: "tick" }));
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "granted":
        return this.#start(effect.requestId, effect.grant);
      case "refused":
        return this.#refuse(effect.requestId, effect.refusal.code);
      case "order":
        if (effect.order.type !== "unload")
          throw new Error(`simulated hosts do not take the order ${effect.order.type}`);
        return this.#hosts.get(effect.hostId)?.host.unload(effect.order.model);
      case "heartbeat-accepted":
        return;
      case "heartbeat-refused":
        throw new Error(`the fleet refused a heartbeat: ${effect.code}`);
    }
  }

  #start(requestId: string, grant: Grant): void {
    const { leaseId, hostId, attempt } = grant;
    const item = this.#open.get(requestId);
    const host = this.#hosts.get(hostId);
    if (item === undefined || host === undefined) throw new Error(`a lease for ${requestId} on ${hostId}`);
    const { numCtx, keepAliveMs } = this.#spec;
    const { model, prompt, outputTokens } = item;
    host.run(
      leaseId,
      { model, prompt, outputTokens, numCtx, keepAliveMs },
      {
        served: (result) => {
          this.#observe(item, grant, result);
          this.#open.delete(requestId);
          this.#step({ type: "settle", leaseId, outcome: { type: "served" } });
        },
        // At an instant of its own, for the step that granted the lease is not over yet.
        refused: (status) => {
          this.#time.after(0, () => {
            const reason = `status ${status}`;
            this.#step({ type: "settle", leaseId, outcome: { type: "host-refused", reason } });
            if (attempt >= MAX_ATTEMPTS) return this.#refuse(requestId, "host-refused");
            this.#acquire(requestId, item, { attempt: attempt + 1, exclude: [hostId] });
          });
        },
      },
    );
  }

  #refuse(requestId: string, code: string): void {
    this.#open.delete(requestId);
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
  }

  #observe(item: WorkItem, { hostId, queuedMs }: Grant, served: Served): void {
    const { promptTokens, cachedTokens, outputTokens, firstTokenAt, finishedAt } = served;
    const model = this.#models.get(item.model);
    if (model === undefined) throw new Error(`no host has ${item.model}`);
    const readSeconds = prefillWork(promptTokens - cachedTokens, cachedTokens) / prefillRate(REFERENCE, model);
    this.#observations.push({
      tenant: item.tenant,
      hostId,
      ttftMs: firstTokenAt - item.at,
      completionMs: finishedAt - item.at,
      queuedMs,
      promptTokens,
      cachedTokens,
      gpuSeconds: readSeconds + decodeWork(outputTokens, promptTokens) / decodeRate(REFERENCE, model),
    });
  }
}
