// The operators' view.
import { expect, it } from "vitest";
import { viewFleet } from "../../src/core/fleet.ts";
import { FleetDriver, aRunning } from "./builders.ts";

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
