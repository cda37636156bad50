// Many hosts as one Ollama.
import { describe, expect, it } from "vitest";
import { catalog } from "../../src/core/catalog.ts";
import { FleetDriver, MODEL, OTHER, aModel, aRunning } from "./builders.ts";

describe("the catalog", () => {
  it("lists each model once, newest first and then by name", () => {
    const driver = new FleetDriver();
    const newer = { modifiedAt: "2026-05-01T00:00:00Z" };
    driver.join("a", { models: [aModel("k/z", { name: "z" }), aModel(MODEL), aModel("k/b", { name: "b" })] });
    driver.join("b", { models: [aModel(OTHER, newer), aModel(MODEL)] });
    expect(catalog(driver.fleet, driver.now).models.map(({ key }) => key)).toEqual([OTHER, "k/b", MODEL, "k/z"]);
  });

  it("has the one model that is asked for, by the digest that is served, or nothing", () => {
    const driver = new FleetDriver();
    driver.join("a", { models: [aModel(MODEL, { digest: "x" }), aModel(OTHER)] });
    for (const id of ["b", "c"]) driver.join(id, { models: [aModel(MODEL, { digest: "y" })] });
    const of = (model: string) => catalog(driver.fleet, driver.now, { pool: "*", model }).models;
    expect(of(MODEL).map(({ key, digest }) => [key, digest])).toEqual([[MODEL, "y"]]);
    expect(of("k/absent")).toEqual([]);
  });

  it("compares times of different zones as instants", () => {
    const driver = new FleetDriver();
    driver.join("a", {
      models: [
        aModel(MODEL, { modifiedAt: "2026-05-01T09:00:00+09:00" }),
        aModel(OTHER, { modifiedAt: "2026-05-01T01:00:00Z" }),
      ],
    });
    expect(catalog(driver.fleet, driver.now).models.map(({ key }) => key)).toEqual([OTHER, MODEL]);
  });

  it("joins the capabilities of copies and takes the newest copy", () => {
    const driver = new FleetDriver();
    driver.join("a", { models: [aModel(MODEL, { capabilities: ["completion", "tools"] })] });
    driver.join("b", {
      models: [aModel(MODEL, { capabilities: ["completion", "vision"], modifiedAt: "2026-05-01T00:00:00Z" })],
    });
    const [row] = catalog(driver.fleet, driver.now).models;
    expect(row).toMatchObject({ modifiedAt: "2026-05-01T00:00:00Z", capabilities: ["completion", "tools", "vision"] });
  });

  it("shows the digest most hosts have and names the conflict", () => {
    const driver = new FleetDriver();
    driver.join("a", { models: [aModel(MODEL, { digest: "x", modifiedAt: "2026-05-01T00:00:00Z" })] });
    driver.join("b", { models: [aModel(MODEL, { digest: "y" })] });
    driver.join("c", { models: [aModel(MODEL, { digest: "y" })] });
    const { models, conflicts } = catalog(driver.fleet, driver.now);
    expect(models.map(({ digest }) => digest)).toEqual(["y"]);
    expect(conflicts).toEqual([{ key: MODEL, digests: ["y", "x"] }]);
  });

  it("shows of each running model the whole row that expires last, last first", () => {
    const driver = new FleetDriver();
    const soon = { expiresAt: "2027-01-15T08:01:00Z", contextLength: 1 };
    const late = { expiresAt: "2027-01-15T08:09:00Z", contextLength: 2 };
    driver.join("a", { running: [aRunning(MODEL, soon), aRunning(OTHER)] });
    driver.join("b", { running: [aRunning(MODEL, late)] });
    const { running } = catalog(driver.fleet, driver.now);
    expect(running.map(({ key, contextLength }) => [key, contextLength])).toEqual([
      [MODEL, 2],
      [OTHER, 4096],
    ]);
  });

  it("leaves out hosts that are dead, drained, down or of another pool", () => {
    const driver = new FleetDriver();
    driver.join("dead", { models: [aModel("k/dead")], running: [aRunning("k/dead")] });
    driver.at(20_000);
    driver.join("drained", { models: [aModel("k/drained")] }, { drained: true });
    driver.join("down", { models: [aModel("k/down")] });
    driver.beat("down", { backend: "down", models: [] });
    driver.join("gpu", { models: [aModel("k/gpu")] }, { pool: "gpu" });
    driver.join("up");
    expect(catalog(driver.fleet, driver.now, { pool: "default" }).models.map(({ key }) => key)).toEqual([MODEL]);
    expect(
      catalog(driver.fleet, driver.now)
        .models.map(({ key }) => key)
        .sort(),
    ).toEqual(["k/gpu", MODEL]);
    expect(catalog(driver.fleet, driver.now).running).toEqual([]);
  });

  it("tells the lowest version by number, a pre-release before its release", () => {
    const driver = new FleetDriver();
    const versions = ["0.10.0", "0.9.2", "0.9.1", "0.9.1-rc2", ""];
    for (const [index, ollamaVersion] of versions.entries()) driver.join(`h${index}`, { ollamaVersion });
    expect(catalog(driver.fleet, driver.now).version).toBe("0.9.1-rc2");
  });

  it("tells the last version known when no host is online, and none when none was told", () => {
    const driver = new FleetDriver();
    expect(catalog(driver.fleet, driver.now).version).toBe("");
    driver.join("a", { ollamaVersion: "0.12.0" });
    driver.at(60_000);
    expect(catalog(driver.fleet, driver.now)).toEqual({
      models: [],
      running: [],
      version: "0.12.0",
      cloud: false,
      conflicts: [],
    });
  });
});
