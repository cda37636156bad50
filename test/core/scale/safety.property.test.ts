// What scaling never does, whatever happens: stop a host with work, give a leaving host more, unload what is in use.
import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Effect, FleetEvent } from "../../../src/core/fleet.ts";
import { createScaler, evaluate, watch } from "../../../src/core/scale/scaler.ts";
import type { ModelRule } from "../../../src/core/scale/scaler.ts";
import { aModel, aRegistration, aRequest, aRunning, FleetDriver, MODEL, OTHER, T0 } from "../builders.ts";

const IDS = ["a", "b", "c", "d"];
const MODELS = [MODEL, OTHER];
const rule: ModelRule = {
  pinned: false,
  minCopies: 0,
  maxCopies: 4,
  pull: true,
  mayRunOn: () => true,
  mayComeFrom: () => true,
};

const ruleOf = (model: string): ModelRule => (model === OTHER ? { ...rule, minCopies: 2 } : rule);

type Happening =
  | { readonly type: "ask"; readonly model: number; readonly count: number }
  | { readonly type: "end"; readonly pick: number }
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "expire"; readonly host: number; readonly model: number }
  | { readonly type: "vanish"; readonly host: number }
  | { readonly type: "return"; readonly host: number };

const happenings: fc.Arbitrary<Happening[]> = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("ask" as const), model: fc.nat(1), count: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ type: fc.constant("end" as const), pick: fc.nat(50) }),
    fc.record({ type: fc.constant("pass" as const), ms: fc.constantFrom(300, 2_000, 8_000, 45_000) }),
    fc.record({ type: fc.constant("expire" as const), host: fc.nat(3), model: fc.nat(1) }),
    fc.record({ type: fc.constant("vanish" as const), host: fc.nat(3) }),
    fc.record({ type: fc.constant("return" as const), host: fc.nat(3) }),
  ),
  { minLength: 40, maxLength: 160, size: "max" },
);

it("never stops a host with work, leases to one that leaves, unloads a model in use, or leaves MIN and MAX", () => {
  const seen = { stops: 0, starts: 0, unloads: 0, loads: 0 };
  fc.assert(
    fc.property(happenings, fc.nat(4), (steps, minHosts) => {
      const world = new ScaledWorld(minHosts);
      for (const step of steps) world.happen(step);
      expect(world.broken).toEqual([]);
      for (const name of ["stops", "starts", "unloads", "loads"] as const) seen[name] += world.seen[name];
    }),
    { seed: 20_261_123, numRuns: 500 },
  );
  // A property that never meets its case holds of everything.
  for (const [name, count] of Object.entries(seen)) expect(count, name).toBeGreaterThanOrEqual(20);
}, 60_000);

class ScaledWorld {
  readonly broken: string[] = [];
  readonly seen = { stops: 0, starts: 0, unloads: 0, loads: 0 };
  private readonly driver = new FleetDriver({ queueLimit: 1_000, hostsMayCome: true, warmUpMs: 0 });
  private readonly scaler: ReturnType<typeof createScaler>;
  private readonly up = new Set<string>(IDS);
  private readonly loaded = new Map<string, Set<string>>(IDS.map((id) => [id, new Set()]));
  private requests = 0;
  private beats = 0;

  constructor(minHosts: number) {
    const times = { targetWaitMs: 1_000, windowMs: 8_000, coolDownMs: 10_000, orderMs: 30_000 };
    const settings = { minHosts, maxHosts: 4, steersHosts: true, ruleOf, ...times };
    this.scaler = createScaler(settings, T0);
    for (const id of IDS) this.send({ type: "host-registered", registration: aRegistration(id) });
    this.beatAll();
  }

  happen(step: Happening): void {
    const id = "host" in step ? (IDS[step.host] ?? "a") : "";
    switch (step.type) {
      case "ask":
        for (let index = 0; index < step.count; index += 1) this.ask(MODELS[step.model] ?? MODEL);
        break;
      case "end":
        this.end(step.pick);
        break;
      case "pass":
        for (let leftMs = step.ms; leftMs > 0; leftMs -= 2_000) this.pass(Math.min(2_000, leftMs));
        break;
      case "expire":
        this.loaded.get(id)?.delete(MODELS[step.model] ?? MODEL);
        break;
      case "vanish":
        this.up.delete(id);
        this.loaded.get(id)?.clear();
        break;
      case "return":
        this.up.add(id);
        break;
    }
    this.decide();
  }

  private ask(model: string): void {
    this.requests += 1;
    const request = aRequest(`r${this.requests}`, { model });
    this.send({ type: "acquire", request, leaseId: `L${this.requests}` });
  }

  private end(pick: number): void {
    const leases = [...this.driver.fleet.leases.keys()];
    const leaseId = leases[pick % Math.max(1, leases.length)];
    if (leaseId !== undefined) this.send({ type: "settle", leaseId, outcome: { type: "served" } });
  }

  private pass(ms: number): void {
    this.driver.now += ms;
    this.send({ type: "tick" });
    this.beatAll();
  }

  private beatAll(): void {
    for (const id of this.up) {
      this.beats += 1;
      const listed = [...this.driver.fleet.leases.values()].filter(({ hostId }) => hostId === id);
      const running = [...(this.loaded.get(id) ?? [])].map((key) => aRunning(key, { sizeBytes: 5, sizeVramBytes: 5 }));
      const active = listed.map((lease) => ({ id: lease.id, model: lease.model ?? "", startedAt: T0 }));
      const models = MODELS.map((key) => aModel(key, { sizeBytes: 4 }));
      this.driver.beat(id, {
        models,
        running,
        active,
        slots: 2,
        parallel: 2,
        vramTotalBytes: 8,
        runId: `run-of-${id}`,
      });
    }
  }

  private send(event: FleetEvent): void {
    const parked = new Set([...this.driver.fleet.hosts.values()].filter((host) => host.parked));
    const effects = this.driver.send(event);
    for (const effect of effects) this.check(effect, parked);
    watch(this.scaler, this.driver.fleet, event, effects);
  }

  private check(effect: Effect, parked: ReadonlySet<unknown>): void {
    if (effect.type !== "granted") return;
    const host = this.driver.fleet.hosts.get(effect.grant.hostId);
    if (parked.has(host)) this.broken.push(`${effect.grant.hostId} leaves and got a lease`);
    const { model } = this.driver.fleet.leases.get(effect.grant.leaseId) ?? {};
    if (model !== undefined) this.loaded.get(effect.grant.hostId)?.add(model);
  }

  private decide(): void {
    const { fleet, now } = this.driver;
    const before = this.scaler.order?.id;
    const { hosts, orders } = evaluate(this.scaler, fleet, now);
    const { minHosts, maxHosts } = this.scaler.settings;
    if (hosts.wanted < minHosts || hosts.wanted > maxHosts) this.broken.push(`${hosts.wanted} hosts are wanted`);
    if (hosts.order !== undefined && hosts.order.id !== before) {
      this.seen.stops += hosts.order.stop.length;
      this.seen.starts += hosts.order.start.length;
      for (const id of hosts.order.stop) {
        const leases = fleet.hosts.get(id)?.leases.size ?? 0;
        if (leases > 0) this.broken.push(`${id} is to stop with ${leases} leases`);
      }
    }
    for (const { hostId, order } of orders) {
      if (order.type === "unload") {
        this.seen.unloads += 1;
        const used = fleet.hosts.get(hostId)?.usedByModel.get(order.model) ?? 0;
        if (used > 0) this.broken.push(`${order.model} on ${hostId} is in use and was to be unloaded`);
        this.loaded.get(hostId)?.delete(order.model);
      }
      if (order.type === "load") {
        this.seen.loads += 1;
        if ((fleet.hosts.get(hostId)?.leases.size ?? 0) > 0) this.broken.push(`${hostId} is busy and was to load`);
        this.loaded.get(hostId)?.add(order.model);
      }
    }
  }
}
