// Counting leases, and the ways in which one ends.
import { describe, expect, it } from "vitest";
import { nextWakeAt } from "../../src/core/fleet.ts";
import { MODEL, OTHER, T0, FleetDriver, aModel, active, aRegistration, ends, grantIn } from "./builders.ts";

const both = [aModel(MODEL), aModel(OTHER)];

function held(driver: FleetDriver): string[] {
  return [...driver.fleet.leases.keys()];
}

describe("counts", () => {
  it("never exceed the slots the host reports", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 2 });
    expect(["1", "2", "3"].map((id) => ends(driver.acquire(id))[id])).toEqual(["a", "a", undefined]);
  });

  it("never exceed the slots the operator allows", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 4 }, { slots: 1 });
    driver.acquire("1");
    expect(ends(driver.acquire("2"))).toEqual({});
  });

  it("never exceed what a host runs at once for one model, and leave room for others", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 4, parallel: 1, models: both });
    driver.acquire("1");
    expect(ends(driver.acquire("2"))).toEqual({});
    expect(ends(driver.acquire("3", { model: OTHER }))).toEqual({ 3: "a" });
  });

  it("leave control requests out, which need neither slot nor model", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    expect(ends(driver.acquire("2", { kind: "control", model: undefined }))).toEqual({ 2: "a" });
    expect(ends(driver.settle("1"))).toEqual({});
    expect(ends(driver.acquire("3"))).toEqual({ 3: "a" });
  });
});

describe("a grant", () => {
  it("carries what the edge needs to reach the host", () => {
    const driver = new FleetDriver();
    driver.join("a");
    expect(grantIn(driver.acquire("1", { attempt: 2 }))).toMatchObject({
      leaseId: "L-1",
      hostId: "a",
      hostUrl: "https://a.example.com",
      hostAgreementKey: aRegistration("a").agreementKey,
      runId: "run-00001",
      attempt: 2,
      queuedMs: 0,
      expiresAt: T0 + 1_800_000,
    });
  });

  it("says why each host was out and how the others scored", () => {
    const driver = new FleetDriver();
    driver.join("busy");
    driver.acquire("1");
    driver.join("idle");
    driver.join("without", { models: [] });
    expect(grantIn(driver.acquire("2")).decision).toEqual({
      policy: "least_connections",
      chosen: "idle",
      candidates: [
        { hostId: "busy", freeSlots: 3, score: 1.5, parts: { active: 1, load: 0.5 } },
        { hostId: "idle", freeSlots: 4, score: 0.5, parts: { active: 0, load: 0.5 } },
        { hostId: "without", freeSlots: 4, filtered: "model_missing" },
      ],
    });
  });
});

describe("settling", () => {
  it("ends a lease once, whatever comes after", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.settle("1");
    driver.acquire("2");
    driver.settle("1");
    expect(held(driver)).toEqual(["L-2"]);
    expect(ends(driver.acquire("3"))).toEqual({});
  });
});

describe("heartbeats", () => {
  function granted(): FleetDriver {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    return driver;
  }

  it("end a lease that two in a row do not list", () => {
    const driver = granted();
    driver.at(1_000);
    driver.beat("a");
    expect(held(driver)).toEqual(["L-1"]);
    driver.beat("a");
    expect(held(driver)).toEqual([]);
  });

  it("end a lease at once that the host has ended because its client left, listed or not", () => {
    const driver = granted();
    const finished = [{ id: "L-1", model: MODEL, outcome: "cancelled" as const, totalMs: 10 }];
    driver.beat("a", { finished });
    expect(held(driver)).toEqual([]);
    driver.beat("a", { active: active("L-1") });
    expect(held(driver)).toEqual([]);
  });

  it("leave it to the edge how a lease has ended that the host has served", () => {
    const driver = granted();
    driver.beat("a", { finished: [{ id: "L-1", model: MODEL, outcome: "served", totalMs: 10 }] });
    expect(held(driver)).toEqual(["L-1"]);
  });

  it("do not count within 1 s of the grant", () => {
    const driver = granted();
    driver.at(999);
    driver.beat("a");
    driver.beat("a");
    driver.at(1_000);
    driver.beat("a");
    expect(held(driver)).toEqual(["L-1"]);
  });

  it("end a lease at once that was listed before", () => {
    const driver = granted();
    driver.beat("a", { active: active("L-1") });
    expect(held(driver)).toEqual(["L-1"]);
    driver.beat("a");
    expect(held(driver)).toEqual([]);
  });

  it("of a new run void the leases of the old one and keep those they list", () => {
    const driver = granted();
    driver.acquire("2");
    driver.beat("a", { runId: "run-00002", active: active("L-2") });
    expect(held(driver)).toEqual(["L-2"]);
  });

  it("bring back leases that the fleet has forgotten, up to the slots", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 2, active: active("x", "y", "z") });
    expect(held(driver)).toEqual(["x", "y"]);
    expect(ends(driver.acquire("1"))).toEqual({});
    expect(ends(driver.send({ type: "settle", leaseId: "x", outcome: { type: "served" } }))).toEqual({ 1: "a" });
  });

  it("do not bring back a lease settled within the last 60 s", () => {
    const driver = granted();
    driver.settle("1");
    driver.send({ type: "settle", leaseId: "never-seen", outcome: { type: "served" } });
    driver.beat("a", { active: active("L-1", "never-seen") });
    driver.at(59_999);
    driver.beat("a", { active: active("L-1", "never-seen") });
    expect(held(driver)).toEqual([]);
    driver.at(60_000);
    driver.beat("a", { active: active("L-1") });
    expect(held(driver)).toEqual(["L-1"]);
  });

  it("are held against each settled lease for 60 s from the last time it was settled", () => {
    const driver = new FleetDriver();
    const settleAt = (offsetMs: number, leaseId: string): void => {
      driver.at(offsetMs);
      driver.send({ type: "settle", leaseId, outcome: { type: "served" } });
    };
    settleAt(0, "x");
    settleAt(10_000, "y");
    settleAt(40_000, "x");
    driver.at(75_000);
    expect([...driver.fleet.tombstones.keys()]).toEqual(["x"]);
  });
});

describe("an outcome that comes after the heartbeat which misses its lease", () => {
  function gone(): FleetDriver {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.beat("a", { slots: 1, active: active("L-1") });
    driver.beat("a", { slots: 1 });
    expect(held(driver)).toEqual([]);
    return driver;
  }

  it("still counts as a failure of the host, once", () => {
    const driver = gone();
    driver.settle("1", { type: "host-failed", reason: "reset" });
    expect(driver.fleet.hosts.get("a")?.failure?.backoffMs).toBe(5_000);
    driver.send({ type: "settle", leaseId: "L-1", outcome: { type: "served" } });
    expect(driver.fleet.hosts.get("a")?.failure?.backoffMs).toBe(5_000);
    expect(driver.fleet.hosts.get("a")?.slotsUsed).toBe(0);
  });

  it("counts no longer after a minute", () => {
    const driver = gone();
    driver.at(60_000);
    expect(driver.fleet.unsettled.size).toBe(0);
    driver.settle("1", { type: "host-failed", reason: "reset" });
    expect(driver.fleet.hosts.get("a")?.failure).toBeUndefined();
  });
});

describe("the deadline", () => {
  it("ends a lease that nothing else ended, and tells the host to stop", () => {
    const driver = new FleetDriver({ leaseDeadlineMs: 8_000 });
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.at(5_000);
    driver.beat("a", { slots: 1, active: active("L-1") });
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 8_000);
    const order = { type: "order", hostId: "a", order: { type: "cancel", leaseId: "L-1" } };
    expect(driver.at(8_000)).toEqual([order]);
    expect(held(driver)).toEqual([]);
  });

  it("is not forgotten by a host that goes on: its heartbeats bring nothing back, and it is told again", () => {
    const driver = new FleetDriver({ leaseDeadlineMs: 8_000 });
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.at(8_000);
    driver.beat("a", { slots: 1, active: active("L-1") });
    expect(held(driver)).toEqual([]);
    driver.at(9_000);
    const order = { type: "order", hostId: "a", order: { type: "cancel", leaseId: "L-1" } };
    expect(driver.beat("a", { slots: 1, active: active("L-1") })).toContainEqual(order);
    expect(held(driver)).toEqual([]);
  });
});

describe("work without a slot that a host lists", () => {
  it("is neither counted nor told to stop, however long it takes", () => {
    const driver = new FleetDriver({ leaseDeadlineMs: 1_800_000 });
    const upload = { id: "upload", model: "", startedAt: T0 };
    driver.join("a", { slots: 1, active: [upload] });
    const orders: unknown[] = [];
    for (let at = 5_000; at <= 4 * 3_600_000; at += 5_000) {
      const effects = [...driver.at(at), ...driver.beat("a", { slots: 1, active: [upload] })];
      orders.push(...effects.filter(({ type }) => type === "order"));
    }
    expect([orders, held(driver)]).toEqual([[], []]);
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });
});

describe("a host that dies or goes", () => {
  it("loses its leases when it is dead, without any effect", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 20_000);
    expect(driver.at(20_000)).toEqual([]);
    expect(held(driver)).toEqual([]);
    expect(nextWakeAt(driver.fleet)).toBeUndefined();
  });

  it("loses its leases when it is removed", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.send({ type: "host-removed", hostId: "a" });
    expect(held(driver)).toEqual([]);
  });

  it("keeps its leases when it is drained", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.send({ type: "host-drained", hostId: "a", drained: true });
    expect(held(driver)).toEqual(["L-1"]);
  });
});

describe("cancelling", () => {
  it("orders the host of a lease to stop and frees the slot, without blame", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.acquire("2");
    const effects = driver.send({ type: "cancel", requestId: "1" });
    expect(effects[0]).toEqual({ type: "order", hostId: "a", order: { type: "cancel", leaseId: "L-1" } });
    expect(ends(effects)).toEqual({ 2: "a" });
    driver.beat("a", { slots: 1, active: active("L-1", "L-2") });
    expect(held(driver)).toEqual(["L-2"]);
  });

  it("refuses a request that waits", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.acquire("2");
    expect(ends(driver.send({ type: "cancel", requestId: "2" }))).toEqual({ 2: "cancelled" });
    expect(ends(driver.settle("1"))).toEqual({});
  });

  it("does nothing for a request nobody knows", () => {
    expect(new FleetDriver().send({ type: "cancel", requestId: "1" })).toEqual([]);
  });
});

describe("a cancelled lease", () => {
  it("is ordered to stop again for as long as its host lists it", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.beat("a", { slots: 1, active: active("L-1") });
    const stop = { type: "order", hostId: "a", order: { type: "cancel", leaseId: "L-1" } };
    expect(driver.send({ type: "cancel", requestId: "1" })).toEqual([stop]);
    driver.at(999);
    expect(driver.beat("a", { slots: 1, active: active("L-1") })).not.toContainEqual(stop);
    driver.at(1_000);
    expect(driver.beat("a", { slots: 1, active: active("L-1") })).toContainEqual(stop);
    expect(driver.beat("a", { slots: 1 })).not.toContainEqual(stop);
  });
});

describe("work that no heartbeat reports", () => {
  it("is forgotten beyond a bound, the oldest first, however many leases end", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    for (let request = 0; request < 10_050; request += 1) {
      driver.acquire(`${request}`);
      driver.settle(`${request}`);
    }
    expect(driver.fleet.ended.size).toBeLessThanOrEqual(10_001);
    expect(driver.fleet.ended.has("L-0")).toBe(false);
    expect(driver.fleet.ended.has("L-10049")).toBe(true);
  });
});
