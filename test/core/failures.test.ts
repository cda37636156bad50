// What failures on the data path do to a host.
import { describe, expect, it } from "vitest";
import { nextWakeAt, viewFleet } from "../../src/core/fleet.ts";
import { T0, FleetDriver, ends } from "./builders.ts";

/** A fleet with one host that beats every 5 s until the offset. */
function keepBeating(driver: FleetDriver, hostId: string, untilMs: number): void {
  for (let at = driver.now - T0 + 5_000; at <= untilMs; at += 5_000) {
    driver.at(at);
    driver.beat(hostId, {
      active: [...driver.fleet.leases.values()].map(({ id }) => ({ id, model: "", startedAt: 0 })),
    });
  }
}

describe("a failure on the data path", () => {
  it("makes the host suspect at once", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.join("b");
    driver.acquire("1", { pinnedHost: "a" });
    driver.fail("1");
    expect(viewFleet(driver.fleet, driver.now).hosts.map(({ status }) => status)).toEqual(["suspect", "alive"]);
    expect(ends(driver.acquire("2"))).toEqual({ 2: "b" });
  });

  it("keeps the host out for 5 s and then lets one lease through", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.fail("1");
    expect(ends(driver.acquire("2"))).toEqual({});
    expect(ends(driver.acquire("3"))).toEqual({});
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 5_000);
    expect(ends(driver.at(4_999))).toEqual({});
    expect(ends(driver.at(5_000))).toEqual({ 2: "a" });
    expect(ends(driver.settle("2"))).toEqual({ 3: "a" });
  });

  it("doubles the backoff up to 60 s while probes fail", () => {
    const driver = new FleetDriver({ queueTimeoutMs: 200_000 });
    driver.join("a");
    driver.acquire("0");
    driver.fail("0");
    let failedAt = 0;
    for (const [index, backoffMs] of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000].entries()) {
      keepBeating(driver, "a", failedAt + backoffMs - 1);
      const requestId = `probe${index}`;
      expect(ends(driver.acquire(requestId))).toEqual({});
      failedAt += backoffMs;
      expect(ends(driver.at(failedAt))).toEqual({ [requestId]: "a" });
      driver.beat("a");
      driver.fail(requestId);
    }
  });

  it("counts requests that fail together as one failure", () => {
    const driver = new FleetDriver();
    driver.join("a");
    for (const id of ["1", "2", "3"]) driver.acquire(id);
    for (const id of ["1", "2", "3"]) driver.fail(id);
    driver.acquire("4");
    expect(ends(driver.at(5_000))).toEqual({ 4: "a" });
  });

  it("is cleared by one request served", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.acquire("2");
    driver.fail("1");
    driver.settle("2");
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.status).toBe("alive");
    expect(ends(driver.acquire("3"))).toEqual({ 3: "a" });
  });

  it("is neither cleared nor doubled by a client that leaves the probe", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.fail("1");
    driver.at(5_000);
    driver.acquire("2");
    driver.settle("2", { type: "client-left" });
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.status).toBe("suspect");
    expect(ends(driver.acquire("3"))).toEqual({ 3: "a" });
    expect(ends(driver.acquire("4"))).toEqual({});
  });
});

describe("other ends of a request", () => {
  it("count against a host whose Ollama answers with errors only when it answers with nothing else", () => {
    const driver = new FleetDriver();
    driver.join("a");
    const err = (id: string) => {
      driver.acquire(id);
      driver.settle(id, { type: "host-erred", reason: "answered 500" });
    };
    for (const id of ["1", "2"]) err(id);
    expect(ends(driver.acquire("3"))).toEqual({ 3: "a" });
    driver.settle("3");
    for (const id of ["4", "5", "6"]) err(id);
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.status).toBe("alive");
    expect(ends(driver.acquire("7"))).toEqual({});
    expect(ends(driver.at(1_000))).toEqual({ 7: "a" });
  });

  it("do not count against a host whose client left", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.settle("1", { type: "client-left" });
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.status).toBe("alive");
  });

  it("keep a host that refused out for 1 s, without calling it suspect", () => {
    const driver = new FleetDriver();
    driver.join("a");
    driver.acquire("1");
    driver.settle("1", { type: "host-refused", reason: "full" });
    expect(viewFleet(driver.fleet, driver.now).hosts[0]?.status).toBe("alive");
    expect(ends(driver.acquire("2"))).toEqual({});
    expect(nextWakeAt(driver.fleet)).toBe(T0 + 1_000);
    expect(ends(driver.at(1_000))).toEqual({ 2: "a" });
  });
});
