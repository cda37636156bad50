// A world around the fleet for property tests: hosts that know what they run, and a network that loses, repeats and delays.
import { createFleet, nextWakeAt, step } from "../../src/core/fleet.ts";
import type { Effect, Fleet, FleetBeat, FleetEvent, FleetSettings } from "../../src/core/fleet.ts";
import { roomAt, roomFor } from "../../src/core/room.ts";
import type { Grant, LeaseRequest, Outcome } from "../../src/wire/lease.ts";
import { T0, aBeat, aModel, aRegistration, aRequest, seededRandom } from "./builders.ts";

export type Fate = "arrives" | "lost" | "repeated" | "late";

interface WorldHost {
  readonly id: string;
  readonly slots: number;
  readonly parallel: number;
  readonly models: readonly string[];
  up: boolean;
  run: number;
  sequence: number;
  /** Lease to model: what really runs. */
  running: Map<string, string>;
  registered: boolean;
  drained: boolean;
  /** When the fleet last took a heartbeat of it; kept apart from the fleet's own books. */
  heardAt?: number | undefined;
}

export interface HostPlan {
  readonly slots: number;
  readonly parallel: number;
  readonly models: readonly string[];
}

export class World {
  fleet: Fleet;
  now = T0;
  readonly hosts: WorldHost[];
  /** Every request asked for, and how often it has been answered. */
  readonly answers = new Map<string, number>();
  readonly broken: string[] = [];
  private readonly random: () => number;
  private readonly settings: FleetSettings;
  private readonly late: FleetEvent[] = [];
  private requests = 0;

  constructor(settings: FleetSettings, plans: readonly HostPlan[], seed: number) {
    this.settings = settings;
    this.random = seededRandom(seed);
    this.hosts = plans.map((plan, index) => ({
      ...plan,
      id: `h${index}`,
      up: true,
      run: 1,
      sequence: 0,
      running: new Map(),
      registered: true,
      drained: false,
    }));
    this.fleet = createFleet(settings, this.now);
    this.registerAll();
  }

  host(pick: number): WorldHost {
    const host = this.hosts[pick % this.hosts.length];
    if (host === undefined) throw new RangeError("a world without hosts");
    return host;
  }

  /** Lets time pass, with a tick whenever the fleet asked for one. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let ticks = 0; ; ticks += 1) {
      const wakeAt = nextWakeAt(this.fleet);
      if (wakeAt === undefined || wakeAt > until) break;
      if (ticks > 10_000) throw new Error("the fleet never rests");
      this.now = Math.max(this.now, wakeAt);
      this.send({ type: "tick" });
    }
    this.now = until;
    this.check();
  }

  acquire(part: Partial<LeaseRequest> = {}): string {
    this.requests += 1;
    const requestId = `r${this.requests}`;
    this.answers.set(requestId, 0);
    this.send({ type: "acquire", request: aRequest(requestId, part), leaseId: `L${requestId}` });
    return requestId;
  }

  beat(host: WorldHost, fate: Fate): void {
    if (!host.up) return;
    host.sequence += 1;
    const active = [...host.running].map(([id, model]) => ({ id, model, startedAt: this.now }));
    const { id, sequence, slots, parallel } = host;
    const models = host.models.map((key) => aModel(key));
    const beat: FleetBeat = aBeat({ runId: `run-${host.run}-of-${id}`, sequence, slots, parallel, models, active });
    this.carry({ type: "heartbeat", hostId: id, beat }, fate);
  }

  /** A request that really runs ends, and the edge reports it. */
  finish(pick: number, outcome: Outcome, fate: Fate): void {
    const running = this.hosts.flatMap((host) => [...host.running.keys()].map((leaseId) => ({ host, leaseId })));
    const one = running[pick % Math.max(1, running.length)];
    if (one === undefined) return;
    one.host.running.delete(one.leaseId);
    this.carry({ type: "settle", leaseId: one.leaseId, outcome }, fate);
  }

  /** The host's agent dies; the edge sees each stream break, if it still lives. */
  crash(host: WorldHost, fate: Fate): void {
    host.up = false;
    const lost = [...host.running.keys()];
    host.running.clear();
    for (const leaseId of lost)
      this.carry({ type: "settle", leaseId, outcome: { type: "host-failed", reason: "reset" } }, fate);
  }

  restart(host: WorldHost): void {
    host.up = true;
    host.run += 1;
    host.sequence = 0;
    host.running.clear();
  }

  drain(host: WorldHost, drained: boolean): void {
    host.drained = drained;
    this.send({ type: "host-drained", hostId: host.id, drained });
  }

  remove(host: WorldHost): void {
    host.registered = false;
    host.heardAt = undefined;
    this.send({ type: "host-removed", hostId: host.id });
  }

  register(host: WorldHost): void {
    host.registered = true;
    const registration = aRegistration(host.id, { drained: host.drained });
    this.send({ type: "host-registered", registration });
  }

  cancel(pick: number): void {
    this.send({ type: "cancel", requestId: `r${(pick % Math.max(1, this.requests)) + 1}` });
  }

  /** The cell loses its memory: calls that wait break off, everything else is to be learned again. */
  forget(): void {
    for (const { request } of this.fleet.queue.waiting.values()) this.answer(request.requestId);
    this.fleet = createFleet(this.settings, this.now);
    for (const host of this.hosts) host.heardAt = undefined;
    this.registerAll();
  }

  deliverLate(pick: number): void {
    const [event] = this.late.splice(pick % Math.max(1, this.late.length), 1);
    if (event !== undefined) this.send(event);
  }

  /** All that still travels is lost. */
  dropLate(): void {
    this.late.length = 0;
  }

  private registerAll(): void {
    for (const host of this.hosts) if (host.registered) this.register(host);
  }

  private carry(event: FleetEvent, fate: Fate): void {
    if (fate === "late") this.late.push(event);
    if (fate === "arrives" || fate === "repeated") this.send(event);
    if (fate === "repeated") this.send(event);
  }

  private send(event: FleetEvent): void {
    const effects = step(this.fleet, event, { now: this.now, random: this.random });
    // Heard first, granted later: a heartbeat's own grants come after it.
    for (const effect of effects) this.act(effect);
    this.check();
  }

  private act(effect: Effect): void {
    switch (effect.type) {
      case "granted":
        this.answer(effect.requestId);
        return this.arrive(effect.grant);
      case "refused":
        return this.answer(effect.requestId);
      case "order":
        if (effect.order.type === "cancel") this.host(this.indexOf(effect.hostId)).running.delete(effect.order.leaseId);
        return;
      case "heartbeat-accepted":
        this.host(this.indexOf(effect.hostId)).heardAt = this.now;
        return;
      case "heartbeat-refused":
        return;
    }
  }

  private answer(requestId: string): void {
    this.answers.set(requestId, (this.answers.get(requestId) ?? 0) + 1);
    if (this.answers.get(requestId) !== 1) this.broken.push(`${requestId} was answered more than once`);
  }

  /** The request reaches its host, which is the judge of its own slots; sometimes the edge dies before. */
  private arrive(grant: Grant): void {
    const host = this.host(this.indexOf(grant.hostId));
    const { heardAt } = host;
    if (!host.registered) this.broken.push(`${grant.leaseId} was granted to a removed host`);
    if (host.drained) this.broken.push(`${grant.leaseId} was granted to a drained host`);
    if (heardAt === undefined || this.now - heardAt >= 20_000)
      this.broken.push(`${grant.leaseId} was granted to a dead host`);
    const model = this.fleet.leases.get(grant.leaseId)?.model ?? "";
    if (model !== "" && !host.models.includes(model))
      this.broken.push(`${grant.leaseId} went to a host without ${model}`);
    if (this.random() < 0.05) return;
    if (!host.up) return this.later(grant, { type: "host-failed", reason: "connect" });
    const full = host.running.size >= host.slots || grant.runId !== `run-${host.run}-of-${host.id}`;
    if (full) return this.later(grant, { type: "host-refused", reason: "full" });
    host.running.set(grant.leaseId, model);
  }

  private later({ leaseId }: Grant, outcome: Outcome): void {
    this.late.push({ type: "settle", leaseId, outcome });
  }

  private indexOf(hostId: string): number {
    return this.hosts.findIndex(({ id }) => id === hostId);
  }

  /** What holds after every event. */
  private check(): void {
    if (this.fleet.queue.waiting.size > this.settings.queueLimit)
      this.broken.push("the queue is longer than its limit");
    for (const waiting of this.fleet.queue.waiting.values()) {
      if (this.now >= waiting.queuedAt + this.settings.queueTimeoutMs) this.broken.push("a request waits too long");
    }
    for (const { rooms } of this.fleet.fields.values()) {
      const miscounted = rooms.hosts.some((host, index) => roomAt(rooms, index) !== roomFor(host, rooms.asked));
      if (miscounted) this.broken.push("a host's room has changed unnoticed");
    }
    const bySlot = new Map<string, number>();
    const byModel = new Map<string, number>();
    for (const { hostId, model, control } of this.fleet.leases.values()) {
      if (control) continue;
      bySlot.set(hostId, (bySlot.get(hostId) ?? 0) + 1);
      byModel.set(`${hostId} ${model}`, (byModel.get(`${hostId} ${model}`) ?? 0) + 1);
    }
    for (const { id, slots, parallel, models, heardAt } of this.hosts) {
      const used = bySlot.get(id) ?? 0;
      const dead = heardAt === undefined || this.now - heardAt >= 20_000;
      if (dead && used > 0) this.broken.push(`${id} is dead and still has leases`);
      if (used > slots) this.broken.push(`${id} has more leases than slots`);
      if (used !== (this.fleet.hosts.get(id)?.slotsUsed ?? 0)) this.broken.push(`${id} has lost count`);
      for (const model of models) {
        if ((byModel.get(`${id} ${model}`) ?? 0) > parallel) this.broken.push(`${id} runs ${model} too often`);
      }
    }
  }
}
