// Which hosts a request may go to, and what it is told when there is none.
import { describe, expect, it } from "vitest";
import { canRegister, nextWakeAt } from "../../src/core/fleet.ts";
import type { LeaseRequest } from "../../src/wire/lease.ts";
import { T0, FleetDriver, aModel, aRequest, aRunning, ends, grantIn, MODEL, OTHER, refusalIn } from "./builders.ts";

const WARM = 6_000;

function warm(): FleetDriver {
  const driver = new FleetDriver();
  driver.at(WARM);
  return driver;
}

function inPool(pool: string): Partial<LeaseRequest> {
  return { principal: { ...aRequest("x").principal, pool } };
}

describe("eligible hosts", () => {
  it("are only the pinned one for a pinned request", () => {
    const driver = warm();
    driver.join("a");
    driver.join("b", { slots: 1 });
    expect(ends(driver.acquire("1", { pinnedHost: "b" }))).toEqual({ 1: "b" });
    expect(ends(driver.acquire("2", { pinnedHost: "b" }))).toEqual({});
  });

  it("are not those the request excludes", () => {
    const driver = warm();
    driver.join("a");
    driver.join("b");
    expect(ends(driver.acquire("1", { exclude: ["a"] }))).toEqual({ 1: "b" });
    expect(ends(driver.acquire("2", { exclude: ["a", "b"] }))).toEqual({ 2: "attempts_failed" });
  });

  it("are those of the principal's pool", () => {
    const driver = warm();
    driver.join("a", {}, { pool: "gpu" });
    driver.join("b", { slots: 1 });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "b" });
    expect(ends(driver.acquire("2"))).toEqual({});
    expect(ends(driver.acquire("3", inPool("*")))).toEqual({ 3: "a" });
    expect(ends(driver.acquire("4", inPool("gpu")))).toEqual({ 4: "a" });
    expect(ends(driver.acquire("5", inPool("empty")))).toEqual({ 5: "no_host" });
  });

  it("have every capability the request needs", () => {
    const driver = warm();
    driver.join("plain");
    driver.join("tools", { models: [aModel(MODEL, { capabilities: ["completion", "tools"] })] });
    expect(ends(driver.acquire("1", { needs: ["tools"] }))).toEqual({ 1: "tools" });
    expect(ends(driver.acquire("2", { needs: ["tools", "vision"] }))).toEqual({ 2: "missing_capability" });
  });

  it("may be of an Ollama that lists no capabilities, which then judges by itself", () => {
    const driver = warm();
    driver.join("old", { models: [aModel(MODEL, { capabilities: [] })] });
    expect(ends(driver.acquire("1", { needs: ["tools"] }))).toEqual({ 1: "old" });
  });

  it("prefer, among equals, the one that has the model loaded", () => {
    const driver = warm();
    driver.join("cold");
    driver.join("warm", { running: [aRunning()] });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "warm" });
  });

  it("take turns per model under round_robin", () => {
    const driver = new FleetDriver({ policy: "round_robin" });
    for (const id of ["a", "b", "c"]) driver.join(id, { models: [aModel(MODEL), aModel(OTHER)] });
    const models = [MODEL, OTHER, MODEL, OTHER, MODEL, MODEL];
    const chosen = models.map((model, index) => grantIn(driver.acquire(`${index}`, { model })).hostId);
    expect(chosen).toEqual(["a", "a", "b", "b", "c", "a"]);
  });
});

describe("hosts with different files under one name", () => {
  const digest = (name: string, modifiedAt = "2026-01-01T00:00:00Z") => ({
    models: [aModel(MODEL, { digest: name, modifiedAt })],
  });

  it("serve the file that most of them have", () => {
    const driver = warm();
    driver.join("a", digest("new", "2026-06-01T00:00:00Z"));
    driver.join("b", { ...digest("old"), slots: 1 });
    driver.join("c", { ...digest("old"), slots: 1 });
    const given = ["1", "2", "3"].map((id) => ends(driver.acquire(id))[id]);
    expect(given.slice(0, 2).toSorted((a = "", b = "") => a.localeCompare(b))).toEqual(["b", "c"]);
    expect(given[2]).toBeUndefined();
  });

  it("serve the newest file when as many have each", () => {
    const driver = warm();
    driver.join("a", digest("old"));
    driver.join("b", digest("new", "2026-06-01T00:00:00Z"));
    expect(ends(driver.acquire("1"))).toEqual({ 1: "b" });
  });

  it("count only while they may serve", () => {
    const driver = warm();
    driver.join("a", digest("new"));
    driver.join("b", digest("old"), { drained: true });
    driver.join("c", digest("old"), { drained: true });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });

  it("count only within the pool of the request", () => {
    const driver = warm();
    driver.join("a", digest("new"));
    driver.join("b", digest("old"), { pool: "gpu" });
    driver.join("c", digest("old"), { pool: "gpu" });
    expect(ends(driver.acquire("1"))).toEqual({ 1: "a" });
  });

  it("serve their own file to a request pinned to them", () => {
    const driver = warm();
    driver.join("a", digest("new"));
    driver.join("b", digest("old"));
    driver.join("c", digest("old"));
    expect(ends(driver.acquire("1", { pinnedHost: "a" }))).toEqual({ 1: "a" });
  });

  it("do not stand in for each other when those with the majority's file have failed", () => {
    const driver = warm();
    driver.join("a", digest("new"));
    driver.join("b", digest("old"));
    driver.join("c", digest("old"));
    expect(ends(driver.acquire("1", { exclude: ["b", "c"] }))).toEqual({ 1: "attempts_failed" });
  });
});

describe("a request no host can take", () => {
  it("is refused while no host is registered", () => {
    expect(ends(new FleetDriver().acquire("1"))).toEqual({ 1: "no_host" });
  });

  it("waits, after a start, for hosts that have not been heard yet", () => {
    const driver = new FleetDriver();
    driver.register("a");
    driver.join("b", { models: [] });
    expect(ends(driver.acquire("1"))).toEqual({});
    driver.at(3_000);
    expect(ends(driver.beat("a"))).toEqual({ 1: "a" });
  });

  it("is refused when the warm-up ends without them", () => {
    const driver = new FleetDriver();
    driver.register("a");
    driver.join("b", { models: [] });
    driver.acquire("1");
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 6_000);
    expect(ends(driver.at(5_999))).toEqual({});
    expect(ends(driver.at(6_000))).toEqual({ 1: "unknown_model" });
  });

  it("is not told that a model is unknown while no host has been heard at all", () => {
    const driver = warm();
    driver.register("a");
    expect(ends(driver.acquire("1"))).toEqual({ 1: "no_host" });
  });

  it("is refused as unknown when no host lists the model", () => {
    const driver = warm();
    driver.join("a");
    expect(ends(driver.acquire("1", { model: OTHER }))).toEqual({ 1: "unknown_model" });
  });

  it("is refused as offline when every host that has the model is dead or drained", () => {
    const driver = warm();
    driver.join("a");
    driver.at(WARM + 20_000);
    driver.join("b", { models: [aModel(OTHER)] });
    driver.join("c", {}, { drained: true });
    const refusal = refusalIn(driver.acquire("1"));
    expect(refusal).toMatchObject({ code: "model_offline", retryAfterSeconds: 20 });
  });

  it("is refused when it names no model and every host is dead", () => {
    const driver = warm();
    driver.join("a");
    driver.at(WARM + 20_000);
    expect(ends(driver.acquire("1", { kind: "control", model: undefined }))).toEqual({ 1: "no_host" });
  });

  it("is refused when the host it is pinned to is not registered", () => {
    const driver = warm();
    driver.join("a");
    expect(ends(driver.acquire("1", { pinnedHost: "zz" }))).toEqual({ 1: "unknown_host" });
  });

  it("tells nobody that a host of another pool exists [T19 T30]", () => {
    const driver = warm();
    driver.join("a");
    driver.join("secret", {}, { pool: "staff" });
    for (const model of [MODEL, "nobody/has:this"]) {
      const [theirs, nobodys] = ["secret", "zz"].map((pinnedHost) =>
        refusalIn(driver.acquire(`${model} ${pinnedHost}`, { model, pinnedHost })),
      );
      expect(theirs).toEqual(nobodys);
      expect(theirs).toMatchObject({ code: "unknown_host" });
    }
  });

  it("is judged anew while it waits, when its host dies or is drained", () => {
    const driver = warm();
    driver.join("a", { slots: 1 });
    driver.acquire("1");
    driver.acquire("2");
    expect(ends(driver.send({ type: "host-drained", hostId: "a", drained: true }))).toEqual({ 2: "model_offline" });
    driver.send({ type: "host-drained", hostId: "a", drained: false });
    driver.acquire("3");
    expect(ends(driver.at(WARM + 20_000))).toEqual({ 3: "model_offline" });
  });
});

describe("room for hosts", () => {
  it("is what MAX_INSTANCES says, and a host that is in may register again", () => {
    const driver = new FleetDriver({ maxInstances: 2 });
    driver.register("a");
    expect(canRegister(driver.fleet, "b")).toBe(true);
    driver.register("b");
    expect(canRegister(driver.fleet, "c")).toBe(false);
    expect(canRegister(driver.fleet, "b")).toBe(true);
  });
});
