// Waiting: order, bounds, and what a refused request is told about when to come back.
import { describe, expect, it } from "vitest";
import { nextWakeAt } from "../../src/core/fleet.ts";
import { FleetDriver, MODEL, OTHER, T0, aModel, active, ends, grantIn, refusalIn } from "./builders.ts";

function busy(settings: ConstructorParameters<typeof FleetDriver>[0] = {}): FleetDriver {
  const driver = new FleetDriver(settings);
  driver.join("a", { slots: 1 });
  driver.acquire("0");
  return driver;
}

describe("the queue", () => {
  it("gives a slot to the request that has waited longest, and not to one that comes just then", () => {
    const driver = busy();
    for (const id of ["1", "2"]) driver.acquire(id);
    driver.at(700);
    const effects = driver.settle("0");
    expect(ends(effects)).toEqual({ 1: "a" });
    expect(grantIn(effects).queuedMs).toBe(700);
    expect(ends(driver.acquire("3"))).toEqual({});
    expect(ends(driver.settle("1"))).toEqual({ 2: "a" });
  });

  it("does not let a request whose model has no free host block others", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.join("b", { models: [aModel(OTHER)] });
    driver.acquire("0");
    driver.acquire("1", { model: MODEL });
    expect(ends(driver.acquire("2", { model: OTHER }))).toEqual({ 2: "b" });
  });

  it("judges requests for one model apart when they exclude or need other things", () => {
    const driver = new FleetDriver();
    const tools = { models: [aModel(MODEL, { capabilities: ["tools"] })] };
    driver.join("a", { slots: 1 });
    driver.join("b", { ...tools, slots: 1 });
    driver.acquire("0a", { pinnedHost: "a" });
    driver.acquire("0b", { pinnedHost: "b" });
    driver.acquire("1", { exclude: ["a"] });
    driver.acquire("2", { needs: ["tools"] });
    driver.acquire("3");
    expect(ends(driver.settle("0a"))).toEqual({ 3: "a" });
    driver.acquire("4", { needs: ["tools"] });
    driver.acquire("5", { exclude: ["b"] });
    expect(ends(driver.settle("3"))).toEqual({ 5: "a" });
  });

  it("is served when a host with free slots joins, comes back, or says that it has ended a lease", () => {
    const driver = busy();
    driver.acquire("1");
    expect(ends(driver.join("b", { slots: 1 }))).toEqual({ 1: "b" });
    driver.acquire("2");
    driver.beat("a", { slots: 1, active: active("L-0") });
    expect(ends(driver.beat("a", { slots: 1 }))).toEqual({ 2: "a" });
  });

  it("refuses what it cannot hold", () => {
    const driver = busy({ queueLimit: 2 });
    expect(["1", "2", "3"].map((id) => ends(driver.acquire(id))[id])).toEqual([undefined, undefined, "queue_full"]);
    expect(driver.fleet.queue.waiting.size).toBe(2);
  });

  it("makes the tenant with the most requests give way when it is full, so that a flood drowns itself alone [T23]", () => {
    const driver = busy({ queueLimit: 3 });
    const of = (tenant: string) => ({ principal: { tokenId: "t", tenant, priority: "normal", pool: "*" } as const });
    for (const id of ["f1", "f2", "f3"]) expect(ends(driver.acquire(id, of("flood")))).toEqual({});
    expect(ends(driver.acquire("q1", of("quiet")))).toEqual({ f3: "queue_full" });
    expect(ends(driver.acquire("f4", of("flood")))).toEqual({ f4: "queue_full" });
    expect(ends(driver.acquire("q2", of("quiet")))).toEqual({ q2: "queue_full" });
  });

  it("of no length still grants what is free", () => {
    const driver = busy({ queueLimit: 0, queueTimeoutMs: 0 });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "queue_full" });
    driver.settle("0");
    expect(ends(driver.acquire("2"))).toEqual({ 2: "a" });
  });

  it("refuses a request that has waited its time, even if a slot is free at that moment", () => {
    const driver = busy({ queueTimeoutMs: 2_000 });
    driver.acquire("1");
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 2_000);
    expect(ends(driver.at(1_999))).toEqual({});
    driver.now = T0 + 2_000;
    expect(ends(driver.settle("0"))).toEqual({ 1: "queue_timeout" });
  });

  it("never holds a request beyond its own deadline", () => {
    const driver = busy();
    driver.acquire("1", { deadlineAt: T0 + 100 });
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 100);
    expect(ends(driver.at(100))).toEqual({ 1: "queue_timeout" });
    expect(ends(driver.acquire("2", { deadlineAt: T0 + 100 }))).toEqual({ 2: "queue_timeout" });
  });

  it("ends waits at their own deadlines, in whatever order they came", () => {
    const driver = new FleetDriver({ queueLimit: 100 });
    driver.join("a", { slots: 1 });
    driver.acquire("0");
    const lefts = [900, 300, 700, 100, 500, 300];
    for (const [index, leftMs] of lefts.entries()) driver.acquire(`${index + 1}`, { deadlineAt: driver.now + leftMs });
    driver.acquire("patient");
    driver.send({ type: "cancel", requestId: "3" });
    const ended: Record<string, string[]> = {};
    for (let wakeAt = nextWakeAt(driver.fleet); wakeAt !== undefined; wakeAt = nextWakeAt(driver.fleet)) {
      if (wakeAt >= T0 + 1_000) break;
      ended[wakeAt - T0] = Object.keys(ends(driver.at(wakeAt - T0)));
    }
    expect(ended).toEqual({ 100: ["4"], 300: ["2", "6"], 500: ["5"], 900: ["1"] });
    expect([...driver.fleet.queue.waiting.keys()]).toEqual(["patient"]);
  });

  it("answers a request that is sent twice once", () => {
    const driver = busy();
    driver.acquire("1");
    driver.acquire("1");
    const effects = driver.settle("0").filter(({ type }) => type === "granted");
    expect(effects).toHaveLength(1);
    expect(driver.fleet.queue.waiting.size).toBe(0);
  });
});

describe("Retry-After", () => {
  it("is what the queue will take at the rate of the last 30 s", () => {
    const driver = busy({ queueLimit: 3 });
    for (let second = 1; second <= 30; second += 1) {
      driver.at(second * 1_000);
      driver.beat("a", { slots: 1, active: active(...driver.fleet.leases.keys()) });
      if (second % 2 === 0) {
        driver.settle(`${second - 2}`);
        driver.acquire(`${second}`);
      }
    }
    for (const id of ["w1", "w2", "w3"]) driver.acquire(id);
    expect(refusalIn(driver.acquire("w4"))).toMatchObject({ code: "queue_full", retryAfterSeconds: 8 });
  });

  it("is 30 s while nothing has been settled in that time", () => {
    const driver = busy({ queueLimit: 0 });
    expect(refusalIn(driver.acquire("1")).retryAfterSeconds).toBe(30);
  });

  it("remembers no more than its 30 s", () => {
    const driver = busy();
    for (let turn = 0; turn < 100; turn += 1) {
      driver.at(turn * 1_000);
      driver.beat("a", { slots: 1, active: active(...driver.fleet.leases.keys()) });
      driver.settle(`${turn}`);
      driver.acquire(`${turn + 1}`);
    }
    expect(driver.fleet.settled).toHaveLength(30);
  });

  it("is at least 1 s and at most 120 s", () => {
    const fast = busy({ queueLimit: 0 });
    for (let turn = 0; turn < 50; turn += 1) {
      fast.settle(`${turn}`);
      fast.acquire(`${turn + 1}`);
    }
    expect(refusalIn(fast.acquire("x")).retryAfterSeconds).toBe(1);
    const slow = busy({ queueLimit: 50 });
    slow.at(10_000);
    slow.beat("a", { slots: 1, active: active("L-0") });
    slow.settle("0");
    for (let turn = 1; turn <= 51; turn += 1) slow.acquire(`${turn}`);
    expect(refusalIn(slow.acquire("x")).retryAfterSeconds).toBe(120);
  });

  it("is missing where trying again does not help", () => {
    const driver = busy();
    expect(refusalIn(driver.acquire("1", { model: OTHER }))).toEqual({
      code: "unknown_model",
      detail: "no host has the model",
    });
  });
});

describe("a refusal", () => {
  it("tells a request whose wait ran out where it stood and how long its turn would have taken", () => {
    const driver = busy({ queueTimeoutMs: 10_000, queueLimit: 9 });
    driver.at(9_000);
    for (const id of ["a", "b", "c"]) driver.acquire(id);
    driver.settle("0");
    driver.at(10_000);
    driver.settle("a");
    driver.acquire("d");
    const refused = driver.at(19_000).flatMap((effect) => (effect.type === "refused" ? [effect.refusal] : []));
    // Two leases ended in 19 s: one each 9.5 s.
    expect(refused[0]).toMatchObject({ code: "queue_timeout", queue: { position: 1, expectedWaitMs: 9_500 } });
    expect(refused).toHaveLength(1);
  });

  it("tells a request that finds the queue full which place it would have had, and no time while nothing drains", () => {
    const driver = busy({ queueLimit: 2 });
    for (const id of ["1", "2"]) driver.acquire(id);
    expect(refusalIn(driver.acquire("3")).queue).toEqual({ position: 3 });
  });

  it("counts the wait of earlier attempts", () => {
    const driver = busy({ queueTimeoutMs: 2_000 });
    driver.acquire("1", { attempt: 2, waitedMs: 1_500 });
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 500);
    expect(ends(driver.at(500))).toEqual({ 1: "queue_timeout" });
    driver.acquire("2", { attempt: 2, waitedMs: 9_000 });
    expect(nextWakeAt(driver.fleet)).toBe(driver.now + 1);
  });
});

describe("a queue while every slot is taken", () => {
  it("refuses a request at the moment its model's last host dies, though the news comes with another's arrival", () => {
    const driver = new FleetDriver({ queueLimit: 10 });
    driver.join("a", { slots: 1 });
    driver.join("b", { slots: 1, models: [aModel(OTHER)] });
    driver.acquire("0");
    driver.acquire("1", { model: OTHER });
    driver.acquire("2");
    driver.now = T0 + 15_000;
    driver.beat("b", { slots: 1, models: [aModel(OTHER)], active: active("L-1") });
    driver.now = T0 + 20_000;
    expect(ends(driver.acquire("3", { model: OTHER }))).toEqual({ 2: "model_offline" });
  });

  it("refuses at the end of the warm-up what waits for hosts that were never heard", () => {
    const driver = new FleetDriver({ queueLimit: 10 });
    driver.register("a");
    driver.acquire("0");
    driver.now = T0 + 6_000;
    expect(ends(driver.acquire("1"))).toEqual({ 0: "no_host", 1: "no_host" });
  });

  it("refuses a waiting request whose time is up when another comes", () => {
    const driver = busy({ queueTimeoutMs: 1_000 });
    driver.acquire("1");
    driver.now = T0 + 1_000;
    expect(ends(driver.acquire("2"))).toEqual({ 1: "queue_timeout" });
  });
});
