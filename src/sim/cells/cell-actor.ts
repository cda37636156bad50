// One cell of the simulation: the real fleet around hosts that serve for a drawn time, on one thread that takes its time.
import { summarize } from "../../core/cells/summary.ts";
import { createFleet, nextWakeAt, step } from "../../core/fleet.ts";
import type { Fleet, FleetBeat, FleetEvent } from "../../core/fleet.ts";
import type { CellSummary } from "../../wire/cell-summary.ts";
import type { CellSite } from "../../wire/cells.ts";
import type { AcquireAnswer, LeaseRequest } from "../../wire/lease.ts";
import type { Random } from "../routing/random.ts";
import type { Timer, VirtualTime } from "../routing/virtual-time.ts";

/** A call on plain workerd, two of which make a lease: `npm run bench:cell` with 200 hosts, rounded up. */
const CALL_MS = 0.5;
const HEARTBEAT_MS = 5_000;
const SLOTS = 4;

interface SimulatedHost {
  readonly id: string;
  readonly models: FleetBeat["models"];
  readonly active: Map<string, FleetBeat["active"][number]>;
  sequence: number;
}

export class CellActor {
  readonly site: CellSite;
  /** Time its thread has worked, ms. */
  busyMs = 0;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #fleet: Fleet;
  readonly #hosts = new Map<string, SimulatedHost>();
  readonly #hostOfLease = new Map<string, SimulatedHost>();
  readonly #waiting = new Map<string, (answer: AcquireAnswer) => void>();
  #freeAt = 0;
  #leases = 0;
  #wake: Timer | undefined;

  constructor(site: CellSite, time: VirtualTime, random: Random) {
    this.site = site;
    this.#time = time;
    this.#random = random;
    const settings = { queueTimeoutMs: 30_000, queueLimit: 1_000, heartbeatIntervalMs: HEARTBEAT_MS };
    this.#fleet = createFleet({ ...settings, maxInstances: 10_000, policy: "predicted_latency" }, time.now);
  }

  /** Adds a host with its models in memory; its heartbeats begin at a time of their own. */
  addHost(id: string, models: readonly string[]): void {
    const key = { kty: "OKP", x: "A".repeat(43) } as const;
    const [signingKey, agreementKey] = [{ ...key, crv: "Ed25519" } as const, { ...key, crv: "X25519" } as const];
    const bound = { url: "", pool: "default", region: this.site.region, registeredAt: 0, drained: false };
    this.#step({ type: "host-registered", registration: { id, signingKey, agreementKey, ...bound } });
    const rows = models.map((name) => ({
      key: name,
      name,
      digest: name,
      sizeBytes: 5e9,
      modifiedAt: "2026-01-01T00:00:00Z",
      capabilities: ["completion"],
    }));
    const host: SimulatedHost = { id, models: rows, active: new Map(), sequence: 0 };
    this.#hosts.set(id, host);
    this.#beat(host);
    this.#time.after(this.#random() * HEARTBEAT_MS, () => this.#beatOn(host));
  }

  get slots(): number {
    return this.#hosts.size * SLOTS;
  }

  /** A call as it arrives: done when the thread comes to it. */
  call(work: () => void): void {
    this.#freeAt = Math.max(this.#freeAt, this.#time.now) + CALL_MS;
    this.busyMs += CALL_MS;
    this.#time.at(this.#freeAt, work);
  }

  acquire(request: LeaseRequest, answer: (answer: AcquireAnswer) => void): void {
    this.#waiting.set(request.requestId, answer);
    this.#leases += 1;
    this.#step({ type: "acquire", request, leaseId: `${this.site.name} ${this.#leases}` });
  }

  /** The host has taken the request of a lease: its heartbeats list it from now on. */
  begin(leaseId: string, hostId: string, model: string): void {
    const host = this.#hosts.get(hostId);
    if (host === undefined) throw new Error(`no host ${hostId} in ${this.site.name}`);
    host.active.set(leaseId, { id: leaseId, model, startedAt: this.#time.now });
    this.#hostOfLease.set(leaseId, host);
  }

  /** The host has served it. */
  end(leaseId: string): void {
    this.#hostOfLease.get(leaseId)?.active.delete(leaseId);
    this.#hostOfLease.delete(leaseId);
  }

  settle(leaseId: string): void {
    this.#step({ type: "settle", leaseId, outcome: { type: "served" } });
  }

  summary(): CellSummary {
    return summarize(this.#fleet, this.#time.now);
  }

  #beatOn(host: SimulatedHost): void {
    this.call(() => this.#beat(host));
    this.#time.after(HEARTBEAT_MS, () => this.#beatOn(host));
  }

  #beat(host: SimulatedHost): void {
    host.sequence += 1;
    const running = host.models.map((row) => ({
      ...row,
      contextLength: 8_192,
      sizeVramBytes: row.sizeBytes,
      expiresAt: "2318-01-01T00:00:00Z",
    }));
    const beat: FleetBeat = {
      runId: "run-00000001",
      sequence: host.sequence,
      agentVersion: "0",
      ollamaVersion: "0.33.0",
      backend: "up",
      models: host.models,
      running,
      slots: SLOTS,
      parallel: SLOTS,
      active: [...host.active.values()],
      finished: [],
    };
    this.#step({ type: "heartbeat", hostId: host.id, beat });
  }

  #step(event: FleetEvent): void {
    const effects = step(this.#fleet, event, { now: this.#time.now, random: this.#random });
    for (const effect of effects) {
      if (effect.type === "granted") this.#answer(effect.requestId, { ok: true, grant: effect.grant });
      if (effect.type === "refused") this.#answer(effect.requestId, { ok: false, refusal: effect.refusal });
    }
    this.#wake?.cancel();
    const wakeAt = this.#waiting.size === 0 ? undefined : nextWakeAt(this.#fleet);
    this.#wake = wakeAt === undefined ? undefined : this.#time.at(wakeAt, () => this.#step({ type: "tick" }));
  }

  #answer(requestId: string, answer: AcquireAnswer): void {
    const answered = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    answered?.(answer);
  }
}
