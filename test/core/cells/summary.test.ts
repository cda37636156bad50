// A cell in a few numbers: what they count.
import { describe, expect, it } from "vitest";
import { summarize } from "../../../src/core/cells/summary.ts";
import { FleetDriver, MODEL, OTHER, aModel, ends } from "../builders.ts";

describe("the summary of a cell", () => {
  it("counts slots, free slots and waiting requests per model", () => {
    const driver = new FleetDriver({ queueLimit: 10 });
    driver.join("a", { slots: 2, models: [aModel(MODEL), aModel(OTHER)] });
    driver.join("b", { slots: 1 });
    for (const id of ["0", "1", "2", "3"]) driver.acquire(id);
    driver.settle("0");
    driver.acquire("4", { model: OTHER });
    driver.acquire("5", { model: OTHER });
    expect(summarize(driver.fleet, driver.now)).toEqual({
      hosts: 2,
      warming: false,
      any: { slots: 3, free: 0, waiting: 2 },
      models: {
        [MODEL]: { slots: 3, free: 0, waiting: 0, digest: aModel().digest, copies: 2 },
        [OTHER]: { slots: 2, free: 0, waiting: 2, digest: aModel(OTHER).digest, copies: 1 },
      },
    });
  });

  it("offers nothing of a dead host but still knows its models", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 2 });
    driver.at(20_000);
    expect(summarize(driver.fleet, driver.now)).toMatchObject({
      hosts: 1,
      any: { slots: 0, free: 0 },
      models: { [MODEL]: { slots: 0, free: 0, waiting: 0 } },
    });
  });

  it("offers no free slot on a host that has just failed", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 2 });
    driver.acquire("0");
    driver.fail("0");
    expect(summarize(driver.fleet, driver.now).models[MODEL]).toMatchObject({ slots: 2, free: 0, waiting: 0 });
  });

  it("tells what is served under a name that means two models, and how many hosts hold it", () => {
    const driver = new FleetDriver();
    for (const [id, digest] of [
      ["a", "1"],
      ["b", "2"],
      ["c", "2"],
    ] as const)
      driver.join(id, { models: [aModel(MODEL, { digest })] });
    expect(summarize(driver.fleet, driver.now).models[MODEL]).toMatchObject({ digest: "2", copies: 2 });
  });

  it("warms up until every host is heard, or the time for it is over", () => {
    const driver = new FleetDriver();
    driver.register("a");
    expect(summarize(driver.fleet, driver.now).warming).toBe(true);
    driver.at(6_000);
    expect(summarize(driver.fleet, driver.now).warming).toBe(false);
  });
});

describe("a request that may not wait", () => {
  it("is refused at once where every slot is taken, without a place in the queue", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    expect(ends(driver.acquire("0", { mayWait: false }))).toEqual({ 0: "a" });
    expect(ends(driver.acquire("1", { mayWait: false }))).toEqual({ 1: "cell_busy" });
    expect(driver.fleet.queue.waiting.size).toBe(0);
  });

  it("does not pass those that wait", () => {
    const driver = new FleetDriver();
    driver.join("a", { slots: 1 });
    driver.acquire("0");
    driver.acquire("1");
    expect(ends(driver.settle("0"))).toEqual({ 1: "a" });
    expect(ends(driver.acquire("2", { mayWait: false }))).toEqual({ 2: "cell_busy" });
  });
});
