// One host per session, spread evenly, and few sessions moved when a host goes.
import { describe, expect, it } from "vitest";
import { sticky } from "../../../src/core/policy/sticky.ts";
import { FleetDriver, grantIn } from "../builders.ts";
import { candidate } from "./policy.case.ts";

const HOSTS = ["a", "b", "c", "d"].map((id) => candidate(id));

function hostOf(session: string, among = HOSTS): string {
  return among[sticky.choose(among, { random: Math.random, session }).index]?.hostId ?? "none";
}

describe("sticky", () => {
  it("keeps a session on its host, whatever the order of the hosts", () => {
    const sessions = Array.from({ length: 50 }, (_, index) => `session ${index}`);
    const before = sessions.map((session) => hostOf(session));
    expect(sessions.map((session) => hostOf(session, HOSTS.toReversed()))).toEqual(before);
  });

  it("spreads sessions over all hosts", () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 4_000; index += 1) {
      const host = hostOf(`session ${index}`);
      counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    for (const id of ["a", "b", "c", "d"]) expect(Math.abs((counts.get(id) ?? 0) - 1_000)).toBeLessThan(100);
  });

  it("moves only the sessions of a host that is gone", () => {
    const without = HOSTS.filter(({ hostId }) => hostId !== "b");
    for (let index = 0; index < 200; index += 1) {
      const before = hostOf(`session ${index}`);
      if (before !== "b") expect(hostOf(`session ${index}`, without)).toBe(before);
    }
  });

  it("knows a conversation by the beginning of its prompt, and each tenant's for its own", () => {
    const driver = new FleetDriver({ policy: "sticky", maxInstances: 20 });
    driver.at(6_000);
    for (let index = 0; index < 12; index += 1) driver.join(`h${index}`, { slots: 100, parallel: 100 });
    const first = grantIn(driver.acquire("1", { prefix: [7, 8] })).hostId;
    expect(grantIn(driver.acquire("2", { prefix: [7, 8, 9, 10] })).hostId).toBe(first);
    const others = Array.from({ length: 12 }, (_, index) => {
      return grantIn(driver.acquire(`o${index}`, { prefix: [7, 100 + index] })).hostId;
    });
    expect(new Set(others).size).toBeGreaterThan(3);
  });
});
