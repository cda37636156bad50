// Which heartbeats are taken.
import { describe, expect, it } from "vitest";
import { FleetDriver, aBeat, active, aModel, aRegistration, ends, OTHER } from "./builders.ts";
import type { Effect, FleetBeat } from "../../src/core/fleet.ts";

function send(driver: FleetDriver, part: Partial<FleetBeat>): Effect | undefined {
  return driver.send({ type: "heartbeat", hostId: "a", beat: aBeat(part) })[0];
}

const accepted = (resync: boolean): Effect => ({ type: "heartbeat-accepted", hostId: "a", resync, unproven: false });
const stale: Effect = { type: "heartbeat-refused", hostId: "a", code: "stale_heartbeat" };

function registered(): FleetDriver {
  const driver = new FleetDriver();
  driver.register("a");
  return driver;
}

describe("a heartbeat", () => {
  it("of a host that is not registered is refused", () => {
    expect(send(new FleetDriver(), {})).toEqual({ type: "heartbeat-refused", hostId: "a", code: "unknown_host" });
  });

  it("asks for a full report only when it is the first the fleet hears of the host", () => {
    const driver = registered();
    expect(send(driver, { sequence: 5 })).toEqual(accepted(true));
    expect(send(driver, { sequence: 6 })).toEqual(accepted(false));
    expect(send(driver, { runId: "run-00002", sequence: 1 })).toEqual(accepted(false));
  });

  it("is refused when its sequence number does not rise", () => {
    const driver = registered();
    send(driver, { sequence: 5 });
    expect(send(driver, { sequence: 5 })).toEqual(stale);
    expect(send(driver, { sequence: 4 })).toEqual(stale);
    expect(send(driver, { sequence: 7 })).toEqual(accepted(false));
  });

  it("is refused when it is of an older run, and changes nothing", () => {
    const driver = registered();
    for (const runId of ["run-00001", "run-00002", "run-00003"]) send(driver, { runId, active: active("L") });
    driver.at(11_000);
    expect(send(driver, { runId: "run-00001", sequence: 99 })).toEqual(stale);
    expect(send(driver, { runId: "run-00002", sequence: 99 })).toEqual(stale);
    expect([...driver.fleet.leases.keys()]).toEqual(["L"]);
    driver.at(20_000);
    expect(ends(driver.acquire("1"))).toEqual({ 1: "model_offline" });
  });

  it("of an older run that goes on is taken once the newer one is dead, so that a replay locks nobody out", () => {
    const driver = registered();
    send(driver, { runId: "run-alive", sequence: 50 });
    send(driver, { runId: "run-replayed", sequence: 3 });
    driver.at(19_999);
    expect(send(driver, { runId: "run-alive", sequence: 53 })).toEqual(stale);
    driver.at(20_000);
    expect(send(driver, { runId: "run-alive", sequence: 50 })).toEqual(stale);
    expect(send(driver, { runId: "run-alive", sequence: 54 })).toEqual(accepted(false));
  });

  it("replaces the models the host had, except while its Ollama is down and cannot tell", () => {
    const driver = registered();
    send(driver, { sequence: 1 });
    send(driver, { sequence: 2, backend: "down", models: [] });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "model_offline" });
    send(driver, { sequence: 3, models: [aModel(OTHER)] });
    driver.at(6_000);
    expect(ends(driver.acquire("2"))).toEqual({ 2: "unknown_model" });
  });
});

describe("registering again", () => {
  it("with the same key keeps what is known of the host", () => {
    const driver = registered();
    send(driver, {});
    driver.register("a", { url: "https://moved.example.com" });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
    expect(send(driver, { sequence: 1 })).toEqual(stale);
  });

  it("with another key begins anew", () => {
    const driver = registered();
    send(driver, {});
    driver.acquire("1");
    driver.register("a", { signingKey: aRegistration("b").signingKey });
    expect(driver.fleet.leases.size).toBe(0);
    expect(send(driver, { sequence: 1 })).toEqual(accepted(true));
  });
});
