// Who a host is: runs of its agent, two agents with one identity, and whether its hostname leads to it.
import { describe, expect, it } from "vitest";
import { viewFleet } from "../../src/core/fleet.ts";
import { aRegistration, ends, FleetDriver, grantIn, refusalIn, T0 } from "./builders.ts";

const refused = (code: string) => [{ type: "heartbeat-refused", hostId: "a", code }];

describe("two agents with one identity [T6]", () => {
  it("the newest run wins, the other is refused as long as that one lives, and operators are told", () => {
    const driver = new FleetDriver();
    driver.join("a", { runId: "run-old" });
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.rivalHeardAgoMs).toBeUndefined();
    driver.beat("a", { runId: "run-new" });
    expect(grantIn(driver.acquire("1")).runId).toBe("run-new");
    driver.at(4_000);
    expect(driver.beat("a", { runId: "run-old" })).toEqual(refused("stale_heartbeat"));
    expect(viewFleet(driver.fleet, T0 + 5_000).hosts[0]?.rivalHeardAgoMs).toBe(1_000);
    driver.at(24_001);
    expect(driver.beat("a", { runId: "run-old" })).toMatchObject([{ type: "heartbeat-accepted" }]);
  });

  it("the newest run is known after a loss of memory, and one that is gone for good gives way", () => {
    const driver = new FleetDriver();
    const past = { runs: ["run-new", "run-old"] };
    driver.send({ type: "host-registered", registration: aRegistration("a"), past });
    expect(driver.beat("a", { runId: "run-old" })).toEqual(refused("stale_heartbeat"));
    driver.at(20_001);
    expect(driver.beat("a", { runId: "run-old" })).toMatchObject([{ type: "heartbeat-accepted" }]);
  });
});

describe("agents that replace each other again and again [T6]", () => {
  const quarantined = (driver: FleetDriver) => viewFleet(driver.fleet, driver.now).hosts[0]?.quarantined;

  it("put their host into quarantine at the third run within a minute, and out of it a minute after", () => {
    const driver = new FleetDriver();
    driver.join("a", { runId: "run-a1" });
    driver.beat("a", { runId: "run-b1" });
    driver.beat("a", { runId: "run-a1" });
    expect(quarantined(driver)).toBe(false);
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
    driver.at(2_000);
    driver.beat("a", { runId: "run-a2" });
    expect(ends(driver.acquire("2"))).toEqual({ 2: "a" });
    // The cache of who may serve must not outlive the moment at which the third run is known.
    driver.beat("a", { runId: "run-b1" });
    expect(quarantined(driver)).toBe(true);
    expect(ends(driver.acquire("3"))).toEqual({});
    for (let at = 4_000; at <= 60_000; at += 4_000) {
      driver.at(at);
      driver.beat("a", { runId: "run-a2" });
    }
    expect(quarantined(driver)).toBe(false);
    expect(ends(driver.acquire("4"))).toEqual({ 4: "a" });
  });

  it("stay in quarantine as long as they go on", () => {
    const driver = new FleetDriver();
    driver.join("a", { runId: "run-0" });
    for (let turn = 1; turn <= 20; turn += 1) {
      driver.at(turn * 10_000);
      driver.beat("a", { runId: `run-${String(turn)}` });
      driver.beat("a", { runId: `run-${String(turn - 1)}` });
      expect(quarantined(driver), String(turn)).toBe(turn >= 2);
    }
  });

  it("are not what an agent is that crashes and starts again and again, nor a clone that was started once", () => {
    const driver = new FleetDriver();
    driver.join("a", { runId: "run-0" });
    for (let time = 1; time <= 10; time += 1) driver.beat("a", { runId: `run-${String(time)}` });
    for (let time = 0; time < 10; time += 1) driver.beat("a", { runId: "run-9" });
    expect(quarantined(driver)).toBe(false);
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });
});

describe("a host that is not proven [T3 T7]", () => {
  it("gets nothing and offers nothing until a challenge through its hostname was answered by this run", () => {
    const driver = new FleetDriver();
    driver.join("a", { runId: "run-1" }, { guarded: true });
    expect(viewFleet(driver.fleet, driver.now).hosts[0]).toMatchObject({ unproven: true });
    expect(ends(driver.acquire("1"))).toEqual({});
    expect(ends(driver.send({ type: "host-proven", hostId: "a", runId: "run-0" }))).toEqual({});
    expect(ends(driver.send({ type: "host-proven", hostId: "a", runId: "run-1" }))).toEqual({ 1: "a" });
    driver.beat("a", { runId: "run-2" });
    expect(ends(driver.acquire("2"))).toEqual({});
    driver.at(30_001);
    expect(refusalIn(driver.acquire("3"))).toMatchObject({ code: "model_offline" });
  });

  it("must prove itself again at another address, and not after a loss of memory", () => {
    const driver = new FleetDriver();
    const registration = aRegistration("a", { guarded: true });
    driver.send({ type: "host-registered", registration, past: { runs: ["run-1"], provenRun: "run-1" } });
    driver.beat("a", { runId: "run-1" });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
    driver.send({ type: "host-registered", registration: { ...registration, url: "https://b.example.com" } });
    expect(ends(driver.acquire("2"))).toEqual({});
  });
});
