// Models that Ollama runs in its cloud: which host may take them, and what is said where none may.
import { expect, it } from "vitest";
import { catalog } from "../../src/core/catalog.ts";
import { FleetDriver, ends } from "./builders.ts";

const CLOUD = { model: undefined, cloud: true };

it("gives a cloud model to a host whose cloud is on, whatever it has on disk", () => {
  const driver = new FleetDriver();
  driver.join("a", { models: [] });
  driver.join("b", { models: [], cloud: true });
  for (const id of ["r1", "r2", "r3"]) expect(ends(driver.acquire(id, CLOUD))).toEqual({ [id]: "b" });
  expect(ends(driver.acquire("r4", { model: undefined }))).toEqual({ r4: "a" });
});

it("asks another host for the refusal where every cloud is off", () => {
  const driver = new FleetDriver();
  driver.join("a");
  expect(ends(driver.acquire("r1", CLOUD))).toEqual({ r1: "missing_capability" });
  expect(ends(driver.acquire("r2", { ...CLOUD, cloud: false }))).toEqual({ r2: "a" });
});

it("says that the capability is missing where every cloud is off", () => {
  const driver = new FleetDriver();
  driver.join("a");
  driver.join("b", { cloud: false });
  expect(ends(driver.acquire("r", CLOUD))).toEqual({ r: "missing_capability" });
  expect(catalog(driver.fleet, driver.now).cloud).toBe(false);
  driver.beat("b", { cloud: true });
  expect(catalog(driver.fleet, driver.now).cloud).toBe(true);
});
