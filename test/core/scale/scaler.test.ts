// The scaler beside a fleet: which copies and hosts it wants, what it orders, and what it never does.
import { beforeEach, describe, expect, it } from "vitest";
import { catalog } from "../../../src/core/catalog.ts";
import { createScaler, evaluate, watch } from "../../../src/core/scale/scaler.ts";
import type { ModelRule, ScalePlan, Scaler, ScaleSettings, StandingOrder } from "../../../src/core/scale/scaler.ts";
import type { FleetBeat, FleetEvent } from "../../../src/core/fleet.ts";
import { aModel, aRegistration, aRequest, aRunning, FleetDriver, MODEL, OTHER, T0 } from "../builders.ts";

const GIB = 2 ** 30;
const rule: ModelRule = {
  pinned: false,
  minCopies: 0,
  maxCopies: 100,
  pull: false,
  mayRunOn: () => true,
  mayComeFrom: () => true,
};

/** A fleet with its scaler; hosts have two slots, heartbeats and evaluations come when a test says so. */
class Scene {
  readonly driver: FleetDriver;
  readonly scaler: Scaler;
  rules = new Map<string, Partial<ModelRule>>();
  private requests = 0;

  constructor(settings: Partial<ScaleSettings> = {}, order?: StandingOrder) {
    const steersHosts = settings.steersHosts ?? true;
    this.driver = new FleetDriver({
      queueLimit: 1_000,
      hostsMayCome: steersHosts,
      warmUpMs: 0,
      policy: "least_connections",
    });
    const ruleOf = (model: string): ModelRule => ({ ...rule, ...this.rules.get(model) });
    const defaults = {
      minHosts: 0,
      maxHosts: 10,
      targetWaitMs: 2_000,
      windowMs: 120_000,
      coolDownMs: 300_000,
      orderMs: 60_000,
    };
    this.scaler = createScaler({ ...defaults, steersHosts, ruleOf, ...settings }, T0, order);
  }

  send(event: FleetEvent): void {
    const effects = this.driver.send(event);
    watch(this.scaler, this.driver.fleet, event, effects);
  }

  at(offsetMs: number): void {
    this.driver.now = T0 + offsetMs;
    this.send({ type: "tick" });
  }

  beat(id: string, part: Partial<FleetBeat> = {}): void {
    if (!this.driver.fleet.hosts.has(id)) this.send({ type: "host-registered", registration: aRegistration(id) });
    const sequence = this.driver.now - T0 + 1 + this.requests++ / 1_000;
    const beat = { slots: 2, parallel: 2, ...part };
    this.driver.beat(id, { ...beat, sequence: Math.ceil(sequence * 1_000) });
  }

  /** Asks for a model so many times. */
  ask(count: number, model = MODEL, pinnedHost?: string, unloads?: boolean): void {
    for (let index = 0; index < count; index += 1) {
      this.requests += 1;
      const request = aRequest(`r${this.requests}`, { model, pinnedHost, unloads });
      this.send({ type: "acquire", request, leaseId: `L-r${this.requests}` });
    }
  }

  settleAll(): void {
    for (const leaseId of this.driver.fleet.leases.keys())
      this.send({ type: "settle", leaseId, outcome: { type: "served" } });
  }

  plan(): ScalePlan {
    return evaluate(this.scaler, this.driver.fleet, this.driver.now);
  }

  given(plan = this.plan()): string[] {
    return plan.orders.map(
      ({ hostId, order }) => `${hostId}: ${order.type} ${"model" in order ? short(order.model) : ""}`,
    );
  }
}

function short(model: string): string {
  return model.split("/").at(-1) ?? model;
}

const models = [aModel(MODEL, { sizeBytes: 4 * GIB }), aModel(OTHER, { sizeBytes: 4 * GIB })];
const loaded = (...keys: string[]) => keys.map((key) => aRunning(key, { sizeBytes: 5 * GIB, sizeVramBytes: 5 * GIB }));

describe("copies of models", () => {
  let scene: Scene;
  beforeEach(() => {
    scene = new Scene({ steersHosts: false });
  });

  it("are loaded on idle hosts that have the model, as many as the demand wants", () => {
    scene.beat("a", { models, running: loaded(MODEL) });
    scene.beat("b", { models });
    scene.beat("c", { models: [models[1] ?? aModel()] });
    scene.ask(8, MODEL, "a");
    scene.at(10_000);
    expect(scene.given()).toEqual(["b: load m:latest"]);
    expect(scene.given()).toEqual([]);
  });

  it("are not loaded again once somebody has had the model unloaded, unless a rule keeps them", () => {
    scene.beat("a", { models });
    scene.ask(8, MODEL, "a");
    scene.at(3_000);
    scene.settleAll();
    scene.send({ type: "model-unwanted", model: MODEL });
    expect(scene.given()).toEqual([]);
    scene.at(60_000);
    scene.beat("a", { models });
    expect(scene.given()).toEqual([]);
    scene.rules.set(MODEL, { minCopies: 1 });
    expect(scene.given()).toEqual(["a: load m:latest"]);
  });

  it("are not kept for requests that have the model unloaded when they are done", () => {
    scene.beat("a", { models });
    scene.ask(8, MODEL, "a", true);
    scene.at(3_000);
    scene.settleAll();
    expect(scene.given()).toEqual([]);
  });

  it("are loaded for other requests that are over", () => {
    scene.beat("a", { models });
    scene.ask(8, MODEL, "a");
    scene.at(3_000);
    scene.settleAll();
    expect(scene.given()).toEqual(["a: load m:latest"]);
  });

  it("that free room is being filled with are counted, so that nothing has to leave for one more", () => {
    const third = "registry.ollama.ai/library/third:latest";
    const all = [...models, aModel(third, { sizeBytes: 4 * GIB })];
    scene.beat("a", { models: all, running: loaded(MODEL) });
    scene.beat("b", { models: all, vramFreeBytes: 16 * GIB });
    scene.ask(2, MODEL, "a");
    scene.driver.now += 1;
    const filled = scene.driver.beat("b", { models: all, vramFreeBytes: 16 * GIB, sequence: 1e9 });
    expect(filled).toContainEqual({ type: "order", hostId: "b", order: { type: "load", model: MODEL } });
    scene.beat("c", { models: all, running: loaded(OTHER, third), vramTotalBytes: 12 * GIB });
    scene.ask(2, MODEL, "a");
    const plan = scene.plan();
    expect(plan.models.find(({ model }) => model === MODEL)?.wanted).toBe(2);
    expect(scene.given(plan)).toEqual([]);
  });

  it("are not ordered where nobody asks", () => {
    scene.beat("a", { models });
    scene.beat("b", { models });
    expect(scene.given()).toEqual([]);
  });

  it("are not loaded where something runs", () => {
    scene.beat("a", { models, running: loaded(OTHER), vramTotalBytes: 24 * GIB });
    scene.ask(1, OTHER);
    scene.ask(1);
    const busy = [...scene.driver.fleet.hosts.values()].filter((host) => host.leases.size > 0);
    expect(busy).toHaveLength(1);
    expect(scene.given()).toEqual([]);
  });

  it("take the place of the coldest model that is not wanted any more, and of no other", () => {
    const third = "registry.ollama.ai/library/third:latest";
    const all = [...models, aModel(third, { sizeBytes: 4 * GIB })];
    const beat = { models: all, vramTotalBytes: 12 * GIB, slots: 1, parallel: 1 };
    scene.beat("a", { ...beat, running: loaded(OTHER, third) });
    scene.ask(1, OTHER);
    scene.settleAll();
    scene.at(3_600_000);
    scene.beat("a", { ...beat, running: loaded(OTHER, third) });
    scene.beat("b", { ...beat, running: loaded(MODEL) });
    scene.ask(8, MODEL, "b");
    scene.at(3_610_000);
    const plan = scene.plan();
    expect(scene.given(plan)).toEqual(["a: unload third:latest", "a: load m:latest"]);
  });

  it("never push out a model in use, a pinned one, or one that worked a moment ago", () => {
    const beat = { models, vramTotalBytes: 6 * GIB, slots: 1, parallel: 1 };
    scene.rules.set(OTHER, { pinned: true });
    scene.beat("a", { ...beat, running: loaded(OTHER) });
    scene.beat("b", { ...beat, running: loaded(MODEL) });
    scene.ask(8, MODEL, "b");
    scene.at(10_000);
    expect(scene.plan().models.find(({ model }) => model === MODEL)?.wanted).toBeGreaterThan(1);
    expect(scene.given()).toEqual([]);
    scene.rules.delete(OTHER);
    scene.ask(1, OTHER);
    scene.settleAll();
    expect(scene.given()).toEqual([]);
  });

  it("are kept at the least a rule wants, and loaded to stay where it pins them", () => {
    scene.rules.set(MODEL, { minCopies: 2, pinned: true });
    scene.beat("a", { models });
    scene.beat("b", { models });
    const plan = scene.plan();
    expect(plan.orders.map(({ order }) => order)).toEqual([
      { type: "load", model: MODEL, pinned: true },
      { type: "load", model: MODEL, pinned: true },
    ]);
  });

  it("that a rule pins are told to stay where something else has loaded them, while they are idle", () => {
    scene.rules.set(MODEL, { pinned: true });
    const running = (expiresAt: string) => [aRunning(MODEL, { expiresAt })];
    scene.beat("a", { models, running: running("2027-01-15T08:05:00Z") });
    scene.beat("b", { models, running: running("2318-01-01T00:00:00Z") });
    expect(scene.plan().orders).toEqual([{ hostId: "a", order: { type: "load", model: MODEL, pinned: true } }]);
  });

  it("stay within the hosts and the most copies of their rule", () => {
    scene.rules.set(MODEL, { minCopies: 1, maxCopies: 3, mayRunOn: (id) => id !== "c" });
    scene.beat("a", { models, running: loaded(MODEL) });
    for (const id of ["b", "c", "d", "e"]) scene.beat(id, { models });
    scene.ask(30, MODEL, "a");
    scene.at(10_000);
    expect(scene.given().sort()).toEqual(["b: load m:latest", "d: load m:latest"]);
  });

  it("are pulled where a rule allows it, one host at a time, from those that have the files", () => {
    scene.rules.set(MODEL, { minCopies: 3, pull: true });
    scene.beat("a", { models, running: loaded(MODEL) });
    scene.beat("b", { models: [] });
    scene.beat("c", { models: [] });
    const [first, ...rest] = scene.plan().orders;
    expect(first).toEqual({ hostId: "b", order: { type: "pull", model: MODEL } });
    expect(rest).toEqual([]);
    scene.rules.set(MODEL, { minCopies: 3, pull: false });
    expect(scene.given()).toEqual([]);
  });

  it("come from hosts of the fleet that share their files, where the rule lets them", () => {
    scene.rules.set(MODEL, { minCopies: 3, pull: true, mayComeFrom: (id) => id !== "c" });
    for (const id of ["a", "c"])
      scene.beat(id, { models, running: loaded(MODEL), shareUrl: `http://10.0.0.1:1/${id}` });
    scene.beat("b", { models: [] });
    const key = aRegistration("a").agreementKey;
    expect(scene.plan().orders).toEqual([
      {
        hostId: "b",
        order: { type: "pull", model: MODEL, digest: "d1", from: [{ hostId: "a", url: "http://10.0.0.1:1/a", key }] },
      },
    ]);
  });

  it("are tried again a while after a host has reported that it failed", () => {
    scene.rules.set(MODEL, { minCopies: 1 });
    scene.beat("a", { models });
    expect(scene.given()).toEqual(["a: load m:latest"]);
    scene.at(5_000);
    scene.beat("a", { models, tasks: [{ type: "load", model: MODEL, startedAt: 1, failure: "out of memory" }] });
    expect(scene.given()).toEqual([]);
    scene.at(60_000);
    scene.beat("a", { models });
    expect(scene.given()).toEqual([]);
    scene.at(70_000);
    scene.beat("a", { models });
    expect(scene.given()).toEqual(["a: load m:latest"]);
  });

  it("say in words why so many are wanted", () => {
    scene.beat("a", { models });
    scene.ask(8);
    const [plan] = scene.plan().models;
    expect(plan?.wanted).toBeGreaterThan(0);
    expect(plan?.reason).toMatch(/requests\/s of .* s: .*slots.*, wanted at most 2 s/);
  });
});

describe("hosts", () => {
  it("are ordered when requests wait and none is there, known ones before new ones", () => {
    const scene = new Scene();
    scene.send({ type: "host-registered", registration: aRegistration("a") });
    scene.ask(1);
    expect(scene.plan().hosts.order).toMatchObject({ id: 1, desired: 1, start: ["a"], create: 0, stop: [] });
    scene.ask(5);
    scene.at(5_000);
    const { order } = scene.plan().hosts;
    expect(order).toMatchObject({ id: 2, start: ["a"], stop: [] });
    expect(order?.desired).toBeGreaterThan(1);
    expect(order?.create).toBe((order?.desired ?? 0) - 1);
    expect(scene.driver.fleet.queue.waiting.size).toBe(6);
  });

  it("that sleep are woken by another host of their region, once per order", () => {
    const scene = new Scene();
    const mac = "0a:1b:2c:3d:4e:5f";
    for (const [id, region] of [
      ["a", "home"],
      ["b", "office"],
    ] as const)
      scene.send({ type: "host-registered", registration: aRegistration(id, { region }) });
    scene.send({ type: "host-registered", registration: aRegistration("z", { region: "office", mac }) });
    scene.beat("a", { models });
    scene.beat("b", { models });
    expect(scene.plan().orders.filter(({ order }) => order.type === "wake")).toEqual([]);
    scene.ask(60);
    scene.at(5_000);
    const plan = scene.plan();
    expect(plan.hosts.order).toMatchObject({ start: ["z"], macs: { z: mac } });
    expect(plan.orders.filter(({ order }) => order.type === "wake")).toEqual([
      { hostId: "b", order: { type: "wake", mac } },
    ]);
    scene.at(6_000);
    expect(scene.plan().orders.filter(({ order }) => order.type === "wake")).toEqual([]);
  });

  it("keep one order while it is carried out, and get another when its time has passed", () => {
    const scene = new Scene();
    scene.ask(1);
    scene.at(5_000);
    const first = scene.plan().hosts.order;
    scene.at(10_000);
    expect(scene.plan().hosts.order?.id).toBe(first?.id);
    scene.at(66_000);
    expect(scene.plan().hosts.order?.id).toBe((first?.id ?? 0) + 1);
  });

  it("are never more than the most, nor fewer than the least", () => {
    const scene = new Scene({ minHosts: 2, maxHosts: 3 });
    expect(scene.plan().hosts).toMatchObject({ wanted: 2, order: { create: 2 } });
    scene.ask(900);
    scene.at(10_000);
    expect(scene.plan().hosts).toMatchObject({ wanted: 3, order: { desired: 3, create: 3 } });
  });

  it("are made only so far as the other cells leave room for them, and started however many are known", () => {
    const scene = new Scene({ minHosts: 0, maxHosts: 10, maxMade: 3 });
    for (const id of ["a", "b"]) scene.send({ type: "host-registered", registration: aRegistration(id) });
    scene.ask(900);
    scene.at(10_000);
    expect(scene.plan().hosts.order).toMatchObject({ desired: 10, start: ["a", "b"], create: 1 });
  });

  it("that run when the scaler begins stay until their demand has been seen", () => {
    const scene = new Scene();
    scene.beat("a");
    scene.beat("b");
    expect(scene.plan().hosts).toMatchObject({ wanted: 2, leaving: [] });
  });

  it("leave when less has been enough for a while: first no new requests, then the order to stop, never with work", () => {
    const scene = new Scene();
    scene.beat("a", { models });
    scene.beat("b", { models });
    scene.ask(1);
    const busy = [...scene.driver.fleet.leases.values()].map(({ hostId }) => hostId);
    expect(busy).toHaveLength(1);
    let stopped: readonly string[] = [];
    for (let at = 5_000; at <= 3_600_000; at += 5_000) {
      scene.at(at);
      const listed = [...scene.driver.fleet.leases.values()].map(({ id, hostId }) => ({ id, hostId }));
      for (const id of ["a", "b"]) {
        const active = listed
          .filter(({ hostId }) => hostId === id)
          .map((lease) => ({ id: lease.id, model: MODEL, startedAt: T0 }));
        scene.beat(id, { models, active });
      }
      const { order } = scene.plan().hosts;
      stopped = order?.stop ?? [];
      for (const id of stopped) expect(scene.driver.fleet.hosts.get(id)?.leases.size).toBe(0);
      if (at === 1_790_000) expect(stopped).toEqual(["a", "b"].filter((id) => !busy.includes(id)));
    }
    expect(stopped.toSorted()).toEqual(["a", "b"]);
  });

  it("are not stopped while they list work that holds no slot, as an upload", () => {
    const scene = new Scene({ coolDownMs: 10_000, windowMs: 10_000 });
    const stopAfter = (fromMs: number, active: FleetBeat["active"]): readonly string[] => {
      for (let at = fromMs; at <= fromMs + 7_200_000; at += 5_000) {
        scene.at(at);
        scene.beat("a", { models, active });
        scene.plan();
      }
      return scene.plan().hosts.order?.stop ?? [];
    };
    expect(stopAfter(0, [{ id: "upload", model: "", startedAt: T0 }])).toEqual([]);
    expect(scene.plan().hosts.leaving).toEqual(["a"]);
    expect(stopAfter(7_205_000, [])).toEqual(["a"]);
  });

  it("whose Ollama is down, or that are not trusted, are replaced once they had their time, and leave when others serve", () => {
    const scene = new Scene({ minHosts: 2, maxHosts: 3 });
    const pass = (fromMs: number, toMs: number, ids: readonly string[]): ScalePlan => {
      for (let at = fromMs; at <= toMs; at += 5_000) {
        scene.at(at);
        for (const id of ids) scene.beat(id, { models, backend: id === "b" ? "down" : "up" });
        scene.plan();
      }
      return scene.plan();
    };
    expect(pass(0, 55_000, ["a", "b"]).hosts.order).toBeUndefined();
    expect(pass(60_000, 65_000, ["a", "b"]).hosts).toMatchObject({ serving: 1, order: { create: 1, stop: [] } });
    const { hosts } = pass(70_000, 900_000, ["a", "b", "c"]);
    expect(hosts).toMatchObject({ wanted: 2, serving: 2, leaving: ["b"], order: { create: 0, stop: ["b"] } });
  });

  it("that were to leave are taken back before others are started", () => {
    const scene = new Scene({ minHosts: 1, coolDownMs: 10_000, windowMs: 10_000 });
    for (let at = 0; at <= 200_000; at += 5_000) {
      scene.at(at);
      scene.beat("a", { models });
      scene.beat("b", { models });
      scene.plan();
    }
    const parked = scene.plan().hosts.leaving;
    expect(parked).toHaveLength(1);
    scene.ask(12);
    const plan = scene.plan();
    expect(plan.hosts.leaving).toEqual([]);
    expect(plan.hosts.order?.stop).toEqual([]);
  });

  it("that sleep still say which models there are: others are refused at once and start none", () => {
    const scene = new Scene(
      {},
      { id: 3, desired: 0, start: [], create: 0, known: 1, macs: {}, stop: [], reason: "", since: T0, deadline: T0 },
    );
    const past = { runs: [], models };
    scene.send({ type: "host-registered", registration: aRegistration("a"), past });
    expect(catalog(scene.driver.fleet, T0).models.map(({ key }) => key)).toEqual([MODEL, OTHER]);
    scene.ask(3, "registry.ollama.ai/library/nobody-has-this:latest");
    expect(scene.driver.fleet.queue.waiting.size).toBe(0);
    expect(scene.plan().hosts.wanted).toBe(0);
    scene.ask(1);
    expect(scene.driver.fleet.queue.waiting.size).toBe(1);
    expect(scene.plan().hosts.order).toMatchObject({ id: 4, desired: 1, start: ["a"] });
  });

  it("told to stop before the cell lost its memory get no work when they are heard again", () => {
    const order: StandingOrder = {
      id: 7,
      desired: 1,
      start: [],
      create: 0,
      known: 2,
      macs: {},
      stop: ["b"],
      reason: "",
      since: T0,
      deadline: T0 + 60_000,
    };
    const scene = new Scene({}, order);
    scene.send({ type: "host-registered", registration: aRegistration("a") });
    scene.send({ type: "host-registered", registration: aRegistration("b") });
    scene.beat("b", { models });
    scene.ask(1);
    expect(scene.driver.fleet.leases.size).toBe(0);
    scene.beat("a", { models });
    expect([...scene.driver.fleet.leases.values()].map(({ hostId }) => hostId)).toEqual(["a"]);
  });

  it("are only counted, and none is taken out of service, where nobody starts or stops any", () => {
    const scene = new Scene({ steersHosts: false, coolDownMs: 10_000, windowMs: 10_000 });
    for (let at = 0; at <= 200_000; at += 5_000) {
      scene.at(at);
      scene.beat("a", { models });
      scene.beat("b", { models });
      scene.plan();
    }
    const { hosts } = scene.plan();
    expect(hosts).toMatchObject({ wanted: 0, serving: 2, leaving: [], order: undefined });
    expect([...hosts.byHost]).toEqual([
      ["a", true],
      ["b", true],
    ]);
  });

  it("that a model nobody has was asked of are no reason for more", () => {
    const scene = new Scene();
    scene.beat("a", { models });
    scene.ask(50, "registry.ollama.ai/library/nobody-has-this:latest");
    expect(scene.plan()).toMatchObject({ hosts: { wanted: 1 }, models: [] });
  });
});
