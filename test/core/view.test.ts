// The operators' view.
import { expect, it } from "vitest";
import { viewFleet } from "../../src/core/fleet.ts";
import { FleetDriver, MODEL, aRunning, active } from "./builders.ts";

it("shows hosts, load and queue, and no keys", () => {
  const driver = new FleetDriver();
  driver.join("a", { slots: 1, running: [aRunning()] });
  driver.register("b");
  driver.acquire("1");
  driver.acquire("2");
  driver.at(1_500);
  const view = viewFleet(driver.fleet, driver.now);
  expect(view).toMatchObject({ queued: 1, activeLeases: 1, policy: "least_connections" });
  expect(view.hosts[0]).toMatchObject({
    id: "a",
    status: "alive",
    backend: "up",
    slots: 1,
    activeLeases: 1,
    lastHeartbeatAgoMs: 1_500,
    runId: "run-00001",
  });
  expect(view.hosts[1]).toMatchObject({ id: "b", status: "unheard", backend: "unknown", slots: 0, runId: "" });
  expect(view.hosts[0]?.models[0]).not.toHaveProperty("key");
  expect(JSON.stringify(view)).not.toContain("Ed25519");
});

it("shows who waits for a slot, for how long and for how much longer", () => {
  const driver = new FleetDriver();
  driver.join("a", { slots: 1 });
  for (const id of ["1", "2", "3"]) driver.acquire(id);
  driver.at(4_000);
  driver.settle("1");
  driver.at(5_000);
  driver.acquire("4", { waitedMs: 700 });
  expect(viewFleet(driver.fleet, driver.now).queue).toEqual([
    { requestId: "3", model: MODEL, position: 1, waitedMs: 5_000, expectedWaitMs: 5_000 },
    { requestId: "4", model: MODEL, position: 2, waitedMs: 700, expectedWaitMs: 10_000 },
  ]);
});

it("shows what a host loads, what it still works on, and what would not stop", () => {
  const driver = new FleetDriver();
  const loading = [{ model: MODEL, runner: "num_ctx=8192", elapsedMs: 3_000, expectedMs: 9_000, waiting: 5 }];
  driver.join("a", { loading, active: active("L-1", "L-2"), forcedCancels: 3 });
  expect(viewFleet(driver.fleet, driver.now).hosts[0]).toMatchObject({ loading, reportedLeases: 2, forcedCancels: 3 });
});
