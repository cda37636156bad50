// Where work on models is done.
import { describe, expect, it } from "vitest";
import { chooseWorkHosts } from "../../src/core/model-work.ts";
import type { WorkQuery } from "../../src/wire/model-work.ts";
import { FleetDriver, MODEL, OTHER, aModel, aRunning } from "./builders.ts";

const ids = ["a", "b", "c"];

function choose(driver: FleetDriver, query: Partial<WorkQuery>): string[] | string {
  const chosen = chooseWorkHosts(
    driver.fleet,
    { work: "delete", model: MODEL, pool: "default", builder: "me", ...query },
    driver.now,
  );
  return chosen.ok ? chosen.value.hosts.map(({ registration }) => registration.id) : chosen.error.code;
}

/** Hosts a, b and c, each with the models given for it. */
function fleetWith(models: Record<string, ReturnType<typeof aModel>[]>): FleetDriver {
  const driver = new FleetDriver();
  for (const id of ids) driver.join(id, { models: models[id] ?? [] });
  return driver;
}

describe("a delete", () => {
  it("reaches every host that has the model, whatever digest, drained ones too", () => {
    const driver = fleetWith({ a: [aModel()], c: [aModel(MODEL, { digest: "other" })] });
    driver.send({ type: "host-drained", hostId: "c", drained: true });
    expect(choose(driver, {})).toEqual(["a", "c"]);
  });

  it("names the holders that are offline, and is refused where all are", () => {
    const driver = fleetWith({ a: [aModel()], b: [aModel()] });
    driver.beat("b", { backend: "down", models: [] });
    const chosen = chooseWorkHosts(driver.fleet, { work: "delete", model: MODEL, pool: "*", builder: "" }, driver.now);
    expect(chosen.ok && chosen.value.offline.map(({ registration }) => registration.id)).toEqual(["b"]);
    driver.beat("a", { backend: "down", models: [] });
    expect(choose(driver, {})).toBe("model_offline");
  });

  it("knows no model that no host has, once all have been heard", () => {
    const driver = fleetWith({});
    expect(choose(driver, {})).toBe("unknown_model");
    driver.register("late");
    expect(choose(driver, {})).toBe("no_host");
    driver.at(60_000);
    for (const id of ids) driver.beat(id, { models: [] });
    expect(choose(driver, {})).toBe("unknown_model");
  });

  it("never leaves the pool", () => {
    const driver = fleetWith({ a: [aModel()] });
    expect(choose(driver, { pool: "elsewhere" })).toBe("no_host");
  });
});

describe("a copy", () => {
  it("is made of the digest that clients get", () => {
    const driver = fleetWith({ a: [aModel(MODEL, { digest: "x" })], b: [aModel()], c: [aModel()] });
    expect(choose(driver, { work: "copy" })).toEqual(["b", "c"]);
  });
});

describe("a pull", () => {
  it("goes to the host with the most free memory, then to the one with the least on disk", () => {
    const driver = fleetWith({
      a: [aModel(OTHER, { sizeBytes: 9 })],
      b: [aModel(OTHER, { sizeBytes: 5 })],
      c: [aModel(OTHER)],
    });
    expect(choose(driver, { work: "pull" })).toEqual(["c"]);
    driver.beat("a", { models: [], vramFreeBytes: 1 });
    expect(choose(driver, { work: "pull" })).toEqual(["a"]);
    expect(choose(driver, { work: "pull", copies: 2 })).toEqual(["a", "c"]);
  });

  it("takes every host along that has the model already, so that one name stays one model", () => {
    const driver = fleetWith({ b: [aModel()], c: [aModel()] });
    expect(choose(driver, { work: "pull" })).toEqual(["b", "c"]);
    expect(choose(driver, { work: "pull", copies: 3 })).toEqual(["b", "c", "a"]);
    expect(choose(driver, { work: "pull", copies: 4 })).toBe("bad_request");
    expect(choose(driver, { work: "pull", copies: 4, orFewer: true })).toEqual(["b", "c", "a"]);
  });

  it("passes over drained hosts", () => {
    const driver = fleetWith({});
    driver.send({ type: "host-drained", hostId: "a", drained: true });
    expect(choose(driver, { work: "pull" })).toEqual(["b"]);
  });
});

describe("an unload", () => {
  it("reaches every host that has the model in memory, or one that has it at all", () => {
    const driver = fleetWith({ a: [aModel()], b: [aModel()], c: [aModel()] });
    expect(choose(driver, { work: "unload" })).toEqual(["a"]);
    for (const id of ["b", "c"]) driver.beat(id, { running: [aRunning()] });
    expect(choose(driver, { work: "unload" })).toEqual(["b", "c"]);
  });
});

describe("a load", () => {
  it("begins where the model is loaded already", () => {
    const driver = fleetWith({ a: [aModel()], b: [aModel()], c: [aModel()] });
    driver.beat("b", { running: [aRunning()] });
    expect(choose(driver, { work: "load" })).toEqual(["b"]);
    expect(choose(driver, { work: "load", copies: 2 })).toEqual(["b", "a"]);
  });
});

describe("what is built", () => {
  it("is built at one host for each who builds, and not at the same for all", () => {
    const driver = fleetWith({});
    const hostOf = (builder: string) => choose(driver, { work: "create", model: undefined, builder });
    const builders = Array.from({ length: 30 }, (_, index) => `tenant-${index}`);
    for (const builder of builders) expect(hostOf(builder)).toEqual(hostOf(builder));
    expect(new Set(builders.map((builder) => String(hostOf(builder)))).size).toBe(3);
  });

  it("stays where it is when another host leaves", () => {
    const driver = fleetWith({});
    const before = choose(driver, { work: "create", model: undefined });
    const other = ids.find((id) => id !== before[0]) ?? "";
    driver.beat(other, { backend: "down" });
    expect(choose(driver, { work: "create", model: undefined })).toEqual(before);
  });

  it("prefers a host that has what it is built from", () => {
    expect(choose(fleetWith({ b: [aModel()] }), { work: "create" })).toEqual(["b"]);
  });
});

it("of a name that means two models is of the one that clients get", () => {
  const other = "f".repeat(64);
  const driver = fleetWith({ a: [aModel(undefined, { digest: other })], b: [aModel()], c: [aModel()] });
  for (const work of ["copy", "push", "create", "load"] as const)
    for (let builder = 0; builder < 20; builder += 1)
      expect(choose(driver, { work, builder: `tenant-${builder}` }), work).not.toContain("a");
});

describe("named hosts", () => {
  it("are taken as named, and refused where one is not there", () => {
    const driver = fleetWith({ a: [aModel()] });
    expect(choose(driver, { hosts: ["c", "b", "c"] })).toEqual(["c", "b"]);
    expect(choose(driver, { hosts: ["a", "z"] })).toBe("unknown_host");
    driver.beat("b", { backend: "down" });
    expect(choose(driver, { hosts: ["b"] })).toBe("no_host");
  });
});
