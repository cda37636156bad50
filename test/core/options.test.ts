// A model in memory is a model with its options: who asks for others goes elsewhere, or waits for a turn of its own.
import { describe, expect, it } from "vitest";
import { FleetDriver, MODEL, T0, aModel, aRunning, ends, grantIn } from "./builders.ts";

const SMALL = { runner: "num_ctx=4096", numCtx: 4_096, promptBytes: 2_000 };
const LARGE = { runner: "num_ctx=32768", numCtx: 32_768, promptBytes: 2_000 };
const HAS = { models: [aModel(MODEL, { sizeBytes: 5e9 })], slots: 2, parallel: 2 };

function fleetOf(...hosts: string[]): FleetDriver {
  const driver = new FleetDriver({
    policy: "predicted_latency",
    queueLimit: 100,
    queueTimeoutMs: 300_000,
    spreads: false,
  });
  driver.at(6_000);
  for (const host of hosts) driver.join(host, HAS);
  return driver;
}

/** What a host lists that has loaded what it was last asked for. */
function heldBy(driver: FleetDriver, id: string) {
  const runners = [...(driver.fleet.hosts.get(id)?.runners.values() ?? [])].filter(({ resident }) => resident);
  return { ...HAS, running: runners.map(({ contextLength }) => aRunning(MODEL, { contextLength })) };
}

function beats(driver: FleetDriver, contexts: Record<string, number>): void {
  for (const [id, contextLength] of Object.entries(contexts)) {
    const active = [...driver.fleet.leases.values()]
      .filter(({ hostId }) => hostId === id)
      .map((lease) => ({ id: lease.id, model: MODEL, startedAt: T0 }));
    driver.beat(id, { ...HAS, running: [aRunning(MODEL, { contextLength })], active });
  }
}

describe("requests with other options", () => {
  it("are never sent to a host where the model is at work", () => {
    const driver = fleetOf("a");
    expect(ends(driver.acquire("1", SMALL))).toEqual({ 1: "a" });
    expect(ends(driver.acquire("2", LARGE))).toEqual({});
    expect(ends(driver.acquire("3", SMALL))).toEqual({ 3: "a" });
    driver.settle("3");
    expect(ends(driver.settle("1"))).toEqual({ 2: "a" });
  });

  it("settle on hosts of their own", () => {
    const driver = fleetOf("a", "b");
    const hosts = { small: new Set<string>(), large: new Set<string>() };
    for (let index = 0; index < 12; index += 1) {
      const name = index % 2 === 0 ? "small" : "large";
      const { hostId } = grantIn(driver.acquire(`${index}`, name === "small" ? SMALL : LARGE));
      hosts[name].add(hostId);
      driver.now += 4_000;
      driver.settle(`${index}`);
      for (const id of ["a", "b"]) driver.beat(id, heldBy(driver, id));
    }
    expect(hosts.small.size + hosts.large.size).toBe(2);
    expect([...hosts.small]).not.toEqual([...hosts.large]);
  });

  it("have their turn although those with the options in memory never stop coming", () => {
    const driver = fleetOf("a");
    driver.acquire("0", SMALL);
    driver.acquire("1", SMALL);
    driver.acquire("large", LARGE);
    const granted: string[] = [];
    for (let index = 2; index < 60 && !granted.includes("large"); index += 1) {
      driver.now += 1_000;
      if (index % 4 === 0) beats(driver, { a: 4_096 });
      driver.acquire(`${index}`, SMALL);
      const oldest = [...driver.fleet.leases.values()][0]?.requestId ?? "";
      granted.push(...Object.keys(ends(driver.settle(oldest))));
    }
    // Ten seconds of waiting, and what ran then runs to its end.
    expect(granted).toContain("large");
    expect(driver.now - T0).toBeLessThan(30_000);
  });
});
