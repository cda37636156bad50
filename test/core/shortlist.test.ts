// Of many hosts a decision forecasts a bounded number: the fastest, some of the others, and those that have read the prompt.
import { describe, expect, it } from "vitest";
import { FleetDriver, MODEL, aModel, aRunning, grantIn } from "./builders.ts";

const HOSTS = 200;
/** What an application puts before all its prompts. */
const HEAD = [1, 2, 3];
const CONVERSATION = [...HEAD, 41, 42, 43, 44, 45, 46, 47, 48];
const LOADED = { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning()], slots: 2, parallel: 2 };

function manyHosts(): FleetDriver {
  const driver = new FleetDriver({ policy: "predicted_latency", maxInstances: HOSTS, queueLimit: 1_000 });
  driver.at(6_000);
  for (let index = 0; index < HOSTS; index += 1) driver.join(`h${index}`, LOADED);
  return driver;
}

function read(driver: FleetDriver, hostId: string, prefix: readonly number[]): void {
  const part = { prefix, promptBytes: prefix.length * 4_000, pinnedHost: hostId };
  grantIn(driver.acquire(`read by ${hostId}`, part));
  driver.settle(`read by ${hostId}`);
}

describe("of 200 hosts", () => {
  it("no more than 80 are forecast although all have read the head of the prompt", () => {
    const driver = manyHosts();
    for (let index = 0; index < HOSTS; index += 1) read(driver, `h${index}`, HEAD);
    const { decision } = grantIn(driver.acquire("1", { prefix: CONVERSATION, promptBytes: 44_000 }));
    const described = decision.candidates.filter(({ score }) => score !== undefined).length;
    const forecast = [...driver.fleet.hosts.values()].filter(({ doubted }) => doubted > 1).length;
    expect(forecast).toBeGreaterThan(32);
    expect(forecast).toBeLessThanOrEqual(80);
    expect(described + (decision.omitted?.["candidate"] ?? 0)).toBe(HOSTS);
  });

  it("the one that has read the conversation is always among them", () => {
    for (const reader of ["h0", "h77", "h199"]) {
      const driver = manyHosts();
      for (let index = 0; index < HOSTS; index += 1) read(driver, `h${index}`, HEAD);
      read(driver, reader, CONVERSATION);
      const { hostId } = grantIn(driver.acquire("1", { prefix: CONVERSATION, promptBytes: 44_000 }));
      expect(hostId).toBe(reader);
    }
  });
});
