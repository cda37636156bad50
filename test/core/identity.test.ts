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
