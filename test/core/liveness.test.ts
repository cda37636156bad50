// Who is there: thresholds of age, and who gets leases in which state.
import { describe, expect, it } from "vitest";
import { viewFleet } from "../../src/core/fleet.ts";
import { T0, FleetDriver, ends, grantIn } from "./builders.ts";

function statusAt(driver: FleetDriver, offsetMs: number): string | undefined {
  return viewFleet(driver.fleet, T0 + offsetMs).hosts[0]?.status;
}

describe("liveness", () => {
  it("is unheard until the first heartbeat", () => {
    const driver = new FleetDriver();
    driver.register("a");
    expect(statusAt(driver, 0)).toBe("unheard");
    expect(statusAt(driver, 60_000)).toBe("unheard");
  });

  it.each([
    [11_999, "alive"],
    [12_000, "suspect"],
    [19_999, "suspect"],
    [20_000, "dead"],
  ])("%i ms after its last heartbeat a host is %s", (ageMs, status) => {
    const driver = new FleetDriver();
    driver.join("a");
    expect(statusAt(driver, ageMs)).toBe(status);
  });

  it("measures ages in heartbeat intervals", () => {
    const driver = new FleetDriver({ heartbeatIntervalMs: 1_000 });
    driver.join("a");
    expect([2_399, 2_400, 3_999, 4_000].map((age) => statusAt(driver, age))).toEqual([
      "alive",
      "suspect",
      "suspect",
      "dead",
    ]);
  });

  it("gives no lease to a suspect host while an alive one has a free slot", () => {
    const driver = new FleetDriver();
    driver.join("old", { slots: 100, parallel: 100 });
    driver.at(12_000);
    driver.join("new", { slots: 2 });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "new" });
    const { candidates } = grantIn(driver.acquire("2")).decision;
    expect(candidates.find(({ hostId }) => hostId === "old")?.filtered).toBe("suspect");
  });

  it("gives a lease to a suspect host when no alive one has a free slot", () => {
    const driver = new FleetDriver();
    driver.join("old");
    driver.at(12_000);
    driver.join("new", { slots: 1 });
    driver.acquire("1");
    expect(ends(driver.acquire("2"))).toEqual({ 2: "old" });
  });

  it("keeps routing when every holder is suspect", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.at(15_000);
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });

  it("never leases a dead, drained, backend-down or removed host", () => {
    const driver = new FleetDriver();
    driver.join("dead");
    driver.at(20_000);
    driver.join("drained", {}, { drained: true });
    driver.join("drained-later");
    driver.send({ type: "host-drained", hostId: "drained-later", drained: true });
    driver.join("removed");
    driver.send({ type: "host-removed", hostId: "removed" });
    driver.join("down");
    driver.beat("down", { backend: "down", models: [] });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "model_offline" });
    driver.join("good");
    const { candidates } = grantIn(driver.acquire("2")).decision;
    expect(Object.fromEntries(candidates.map(({ hostId, filtered }) => [hostId, filtered]))).toEqual({
      dead: "dead",
      drained: "drained",
      "drained-later": "drained",
      down: "backend_down",
      good: undefined,
    });
  });

  it("leases a host again once it is no longer drained", () => {
    const driver = new FleetDriver();
    driver.join("a", {}, { drained: true });
    driver.send({ type: "host-drained", hostId: "a", drained: false });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });

  it("brings a dead host back with its next heartbeat", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.at(25_000);
    driver.beat("a");
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });
});
