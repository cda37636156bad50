// Whose turn it is when a slot becomes free: priority, then prompts that are cached, then the tenant that has had least, then arrival.
import { describe, expect, it } from "vitest";
import type { LeaseRequest, Priority } from "../../src/wire/lease.ts";
import { FleetDriver, MODEL, T0, aModel, aRequest, aRunning, ends } from "./builders.ts";

const ONE_SLOT = {
  ollamaVersion: "0.33.0",
  models: [aModel(MODEL, { sizeBytes: 5e9 })],
  running: [aRunning()],
  slots: 1,
  parallel: 1,
};

function driverWith(...hosts: string[]): FleetDriver {
  const driver = new FleetDriver({ policy: "predicted_latency", queueLimit: 1_000, queueTimeoutMs: 3_600_000 });
  driver.at(6_000);
  for (const host of hosts) driver.join(host, ONE_SLOT);
  return driver;
}

function by(tenant: string, priority: Priority = "normal", part: Partial<LeaseRequest> = {}): Partial<LeaseRequest> {
  return { principal: { ...aRequest("x").principal, tenant, priority }, promptBytes: 4_000, ...part };
}

/** Lets time pass; the host is heard meanwhile. */
function pass(driver: FleetDriver, ms: number): void {
  for (let passed = 0; passed < ms; passed += 5_000) {
    driver.now += Math.min(5_000, ms - passed);
    const active = [...driver.fleet.leases.keys()].map((id) => ({ id, model: MODEL, startedAt: T0 }));
    driver.beat("a", { ...ONE_SLOT, active });
  }
}

/** Settles what runs until nobody waits, 100 ms each; answers the order in which requests were granted. */
function drain(driver: FleetDriver, running: string): string[] {
  const order: string[] = [];
  let current: string | undefined = running;
  while (current !== undefined) {
    driver.now += 100;
    const granted: string[] = Object.keys(ends(driver.settle(current)));
    order.push(...granted);
    [current] = granted;
  }
  return order;
}

describe("waiting requests", () => {
  it("of one tenant go in order of arrival", () => {
    const driver = driverWith("a");
    for (const id of ["0", "1", "2", "3"]) driver.acquire(id, by("t"));
    expect(drain(driver, "0")).toEqual(["1", "2", "3"]);
  });

  it("of higher priority go first, within a priority in order of arrival", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("t"));
    driver.acquire("low", by("t", "low"));
    driver.acquire("normal", by("t"));
    driver.acquire("high-1", by("t", "high"));
    driver.acquire("high-2", by("t", "high"));
    expect(drain(driver, "0")).toEqual(["high-1", "high-2", "normal", "low"]);
  });

  it("rise by a priority for every ten seconds they wait, so that nobody waits for ever", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("t"));
    driver.acquire("low", by("t", "low"));
    pass(driver, 20_000);
    driver.acquire("high", by("t", "high"));
    driver.acquire("normal", by("t"));
    expect(drain(driver, "0")).toEqual(["low", "high", "normal"]);
  });

  it("of a tenant that floods give way to those of a tenant that has had less", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("flood"));
    for (let index = 1; index <= 40; index += 1) driver.acquire(`flood-${index}`, by("flood"));
    let current = "0";
    for (let turn = 0; turn < 12; turn += 1) {
      driver.now += 100;
      current = Object.keys(ends(driver.settle(current)))[0] ?? "";
    }
    driver.acquire("small-1", by("small"));
    driver.acquire("small-2", by("small"));
    const order = drain(driver, current);
    // It starts level: one of the flood's may come first, and then they take turns.
    expect(order.slice(0, 4).filter((id) => id.startsWith("small"))).toEqual(["small-1", "small-2"]);
    expect(order).toHaveLength(30);
  });

  it("of equal tenants share slots equally however many each has sent", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("x"));
    for (let index = 0; index < 60; index += 1) driver.acquire(`big-${index}`, by("big"));
    for (let index = 0; index < 20; index += 1) driver.acquire(`small-${index}`, by("small"));
    let current = "0";
    const served = { big: 0, small: 0 };
    for (let turn = 0; turn < 40; turn += 1) {
      driver.now += 100;
      current = Object.keys(ends(driver.settle(current)))[0] ?? "";
      served[current.startsWith("big") ? "big" : "small"] += 1;
    }
    expect(Math.abs(served.big - served.small)).toBeLessThanOrEqual(2);
  });

  it("of a tenant that comes back do not claim what it left unused", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("busy"));
    for (let index = 1; index <= 50; index += 1) driver.acquire(`busy-${index}`, by("busy"));
    let current = "0";
    for (let turn = 0; turn < 20; turn += 1) {
      driver.now += 100;
      current = Object.keys(ends(driver.settle(current)))[0] ?? "";
    }
    for (let index = 0; index < 30; index += 1) driver.acquire(`new-${index}`, by("new"));
    const order = drain(driver, current).slice(0, 24);
    const fresh = order.filter((id) => id.startsWith("new")).length;
    expect(fresh).toBeGreaterThanOrEqual(10);
    expect(fresh).toBeLessThanOrEqual(14);
  });

  it("pass others where the host that got room has read their prompt, while nobody before them has aged", () => {
    const prefix = [1, 2, 3, 4, 5];
    for (const [ageMs, first] of [
      [1_000, "cached"],
      [11_000, "fresh"],
    ] as const) {
      const driver = driverWith("a");
      driver.acquire("0", by("t", "normal", { prefix, promptBytes: 20_000 }));
      pass(driver, 60_000);
      driver.settle("0");
      driver.acquire("1", by("t"));
      driver.acquire("fresh", by("t", "normal", { promptBytes: 20_000 }));
      driver.acquire("cached", by("t", "normal", { prefix: [...prefix, 6], promptBytes: 24_000 }));
      pass(driver, ageMs);
      expect(Object.keys(ends(driver.settle("1")))).toEqual([first]);
    }
  });

  it("of a tenant at its share of the slots give way only while another tenant waits", () => {
    const driver = driverWith("a", "b", "c", "d");
    for (let index = 0; index < 4; index += 1) driver.acquire(`first-${index}`, by("first"));
    driver.acquire("first-4", by("first"));
    driver.acquire("second-0", by("second"));
    expect(Object.keys(ends(driver.settle("first-0")))).toEqual(["second-0"]);
    expect(Object.keys(ends(driver.settle("first-1")))).toEqual(["first-4"]);
  });

  it("leave nothing behind of tenants that have no requests", () => {
    const driver = driverWith("a");
    driver.acquire("0", by("one"));
    driver.acquire("1", by("two"));
    expect(driver.fleet.tenants.size).toBe(2);
    drain(driver, "0");
    driver.at(60_000 + (driver.now - T0));
    expect(driver.fleet.tenants.size).toBe(0);
  });
});
