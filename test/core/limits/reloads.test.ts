// Which requests load a model: the one-field attack that keeps a host loading instead of answering.
import { describe, expect, it } from "vitest";
import { wouldLoad } from "../../../src/core/limits/reloads.ts";
import { aBeat, aModel, aRegistration, aRequest, aRunning, FleetDriver, MODEL, OTHER, T0 } from "../builders.ts";

const models = [aModel(MODEL), aModel(OTHER)];

function fleetWith(part: Parameters<typeof aBeat>[0]): FleetDriver {
  const driver = new FleetDriver();
  driver.send({ type: "host-registered", registration: aRegistration("a") });
  driver.send({ type: "heartbeat", hostId: "a", beat: aBeat({ models, ...part }) });
  return driver;
}

describe("a request loads [T22]", () => {
  it("a model that is in no host's memory, and not one that is", () => {
    const { fleet } = fleetWith({ running: [aRunning(MODEL)] });
    expect(wouldLoad(fleet, aRequest("1", { model: MODEL }), T0)).toBe(false);
    expect(wouldLoad(fleet, aRequest("2", { model: OTHER }), T0)).toBe(true);
    expect(wouldLoad(fleet, aRequest("3", { model: undefined, kind: "control" }), T0)).toBe(false);
  });

  it("a model anew when its runner options differ, or when it says that it unloads", () => {
    const { fleet } = fleetWith({ running: [aRunning(MODEL)] });
    expect(wouldLoad(fleet, aRequest("1", { model: MODEL, runner: "num_ctx=512" }), T0)).toBe(true);
    expect(wouldLoad(fleet, aRequest("2", { model: MODEL, unloads: true }), T0)).toBe(true);
  });

  it("nothing while another request is loading the same", () => {
    const driver = fleetWith({ running: [] });
    expect(wouldLoad(driver.fleet, aRequest("1", { model: MODEL }), T0)).toBe(true);
    driver.acquire("1", { model: MODEL });
    expect(wouldLoad(driver.fleet, aRequest("2", { model: MODEL }), T0)).toBe(false);
  });

  it("nothing while its host goes on with a load that nobody waits for any more", () => {
    const loading = [{ model: MODEL, runner: "num_ctx=512", elapsedMs: 1_000, waiting: 0 }];
    const { fleet } = fleetWith({ running: [], loading });
    expect(wouldLoad(fleet, aRequest("1", { model: MODEL, runner: "num_ctx=512" }), T0)).toBe(false);
    expect(wouldLoad(fleet, aRequest("2", { model: MODEL }), T0)).toBe(true);
  });

  it("a model that only hosts of other pools have", () => {
    const { fleet } = fleetWith({ running: [aRunning(MODEL)] });
    const principal = { tokenId: "t", tenant: "x", priority: "normal", pool: "elsewhere" } as const;
    expect(wouldLoad(fleet, aRequest("1", { model: MODEL, principal }), T0)).toBe(true);
  });
});
