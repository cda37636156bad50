// The fleet under random events, a bad network and losses of memory: what may never happen, and that all ends well.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextWakeAt, viewFleet } from "../../src/core/fleet.ts";
import { POLICY_NAMES } from "../../src/wire/settings.ts";
import { MODEL, OTHER } from "./builders.ts";
import { World } from "./world.ts";
import type { Fate, HostPlan } from "./world.ts";

const THIRD = "registry.ollama.ai/library/third:latest";
const MODELS = [MODEL, OTHER, THIRD];

const pick = fc.nat({ max: 999 });
const fate = fc.constantFrom<Fate>("arrives", "arrives", "arrives", "lost", "repeated", "late");

type Act = (world: World) => void;

/** Named, so that a failing run prints what happened. */
function act(name: string, run: Act): { name: string; run: Act; toString(): string } {
  return { name, run, toString: () => name };
}

const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(pick, fate)
      .map(([host, how]) => act(`beat ${host} ${how}`, (world) => world.beat(world.host(host), how))),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(pick, fc.boolean(), fc.boolean()).map(([number, pinned, excluded]) =>
      act(`acquire ${number} ${pinned} ${excluded}`, (world) => {
        const model = MODELS[number % MODELS.length];
        const exclude = excluded ? [world.host(number + 1).id] : [];
        world.acquire({ model, exclude, pinnedHost: pinned && number % 4 === 0 ? world.host(number).id : undefined });
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(act("control", (world) => void world.acquire({ kind: "control", model: undefined }))),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(pick, fc.constantFrom("served", "served", "client-left", "host-failed"), fate)
      .map(([number, type, how]) =>
        act(`finish ${number} ${type} ${how}`, (world) =>
          world.finish(number, type === "host-failed" ? { type, reason: "reset" } : { type }, how),
        ),
      ),
  },
  {
    weight: 6,
    arbitrary: fc.integer({ min: 1, max: 9_000 }).map((ms) => act(`pass ${ms}`, (world) => world.pass(ms))),
  },
  { weight: 2, arbitrary: pick.map((number) => act(`late ${number}`, (world) => world.deliverLate(number))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(pick, fate)
      .map(([host, how]) => act(`crash ${host} ${how}`, (world) => world.crash(world.host(host), how))),
  },
  { weight: 1, arbitrary: pick.map((host) => act(`restart ${host}`, (world) => world.restart(world.host(host)))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(pick, fc.boolean())
      .map(([host, drained]) => act(`drain ${host} ${drained}`, (world) => world.drain(world.host(host), drained))),
  },
  { weight: 1, arbitrary: pick.map((host) => act(`remove ${host}`, (world) => world.remove(world.host(host)))) },
  { weight: 1, arbitrary: pick.map((host) => act(`register ${host}`, (world) => world.register(world.host(host)))) },
  { weight: 1, arbitrary: pick.map((number) => act(`cancel ${number}`, (world) => world.cancel(number))) },
  { weight: 1, arbitrary: fc.constant(act("forget", (world) => world.forget())) },
);

const plan: fc.Arbitrary<HostPlan> = fc.record({
  slots: fc.integer({ min: 1, max: 4 }),
  parallel: fc.integer({ min: 1, max: 3 }),
  models: fc.uniqueArray(fc.constantFrom(...MODELS), { minLength: 1 }),
});

const start = fc.record({
  plans: fc.array(plan, { minLength: 1, maxLength: 6 }),
  policy: fc.constantFrom(...POLICY_NAMES),
  queueLimit: fc.integer({ min: 0, max: 6 }),
  leaseDeadlineMs: fc.constantFrom(15_000, 1_800_000),
  seed: fc.integer(),
});

function makeWorld({
  plans,
  policy,
  queueLimit,
  leaseDeadlineMs,
  seed,
}: typeof start extends fc.Arbitrary<infer T> ? T : never): World {
  const timing = { queueTimeoutMs: 20_000, heartbeatIntervalMs: 5_000, leaseDeadlineMs };
  const world = new World({ ...timing, maxInstances: 10, queueLimit, policy }, plans, seed);
  for (const host of world.hosts) world.beat(host, "arrives");
  return world;
}

/** Faults stop: every host is up, registered and heard every 5 s; what really runs is served. */
function recover(world: World, ms: number): void {
  world.dropLate();
  for (const host of world.hosts) {
    if (!host.registered) world.register(host);
    if (host.drained) world.drain(host, false);
    if (!host.up) world.restart(host);
  }
  for (let passed = 0; passed < ms; passed += 5_000) {
    for (const host of world.hosts) world.beat(host, "arrives");
    while (world.hosts.some(({ running }) => running.size > 0)) world.finish(0, { type: "served" }, "arrives");
    world.pass(5_000);
  }
}

describe("the fleet under random events", () => {
  it("keeps its promises at every step, and nothing is stuck 25 s after the faults stop", () => {
    fc.assert(
      fc.property(start, fc.array(event, { minLength: 1, maxLength: 120, size: "max" }), (plans, events) => {
        const world = makeWorld(plans);
        for (const { run } of events) run(world);
        recover(world, 25_000);
        expect(world.broken).toEqual([]);
        expect([...world.answers].filter(([, count]) => count !== 1)).toEqual([]);
        expect(world.fleet.queue.waiting.size).toBe(0);
        expect(
          [...world.fleet.leases.keys()].filter((id) => !world.hosts.some(({ running }) => running.has(id))),
        ).toEqual([]);
      }),
      { numRuns: 1_500, seed: 20_260_101 },
    );
  });

  it("routes to every host again once its backoff is over", () => {
    fc.assert(
      fc.property(start, fc.array(event, { minLength: 1, maxLength: 80, size: "max" }), (plans, events) => {
        const world = makeWorld(plans);
        for (const { run } of events) run(world);
        recover(world, 90_000);
        for (const host of world.hosts) {
          world.acquire({ model: host.models[0], pinnedHost: host.id });
          expect([...world.fleet.leases.values()].some(({ hostId }) => hostId === host.id)).toBe(true);
        }
        expect(viewFleet(world.fleet, world.now).hosts.every(({ status }) => status !== "dead")).toBe(true);
        expect(world.broken).toEqual([]);
      }),
      { numRuns: 500, seed: 20_260_102 },
    );
  });

  it("rests when nothing is due: hosts fall silent and no tick is asked for", () => {
    fc.assert(
      fc.property(start, fc.array(event, { minLength: 1, maxLength: 60, size: "max" }), (plans, events) => {
        const world = makeWorld(plans);
        for (const { run } of events) run(world);
        world.pass(1_900_000);
        expect(nextWakeAt(world.fleet)).toBeUndefined();
        expect(world.fleet.leases.size).toBe(0);
        expect(world.broken).toEqual([]);
      }),
      { numRuns: 200, seed: 20_260_103 },
    );
  });
});
