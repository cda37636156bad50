// Who has read which beginning of a prompt: matched over all hosts at once, forgotten when it is gone.
import { describe, expect, it } from "vitest";
import { FleetDriver, MODEL, OTHER, aModel, aRunning, grantIn } from "./builders.ts";

const TURN_1 = [11, 12, 13];
const TURN_2 = [11, 12, 13, 14, 15];
const LOADED = { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning()], ollamaVersion: "0.33.0" };

function twoHosts(): FleetDriver {
  const driver = new FleetDriver({ policy: "predicted_latency" });
  driver.at(6_000);
  driver.join("a", LOADED);
  driver.join("b", LOADED);
  return driver;
}

/** One turn of a conversation, from grant to end. */
function turn(driver: FleetDriver, id: string, prefix: number[], part = {}): string {
  const { hostId } = grantIn(driver.acquire(id, { prefix, promptBytes: prefix.length * 4_000, ...part }));
  driver.now += 10_000;
  driver.settle(id);
  driver.beat("a", LOADED);
  driver.beat("b", LOADED);
  return hostId;
}

function heldOn({ fleet }: FleetDriver, hostId: string) {
  return [...(fleet.hosts.get(hostId)?.runners.values() ?? [])][0]?.held;
}

function cachedTokens(driver: FleetDriver, id: string, prefix: number[], hostId: string): number {
  const { decision } = grantIn(driver.acquire(id, { prefix, promptBytes: prefix.length * 4_000 }));
  driver.settle(id, { type: "client-left" });
  return decision.candidates.find((one) => one.hostId === hostId)?.parts?.["cached"] ?? 0;
}

describe("prefixes", () => {
  it("bring the next turn of a conversation to the host that has read the last one", () => {
    const driver = twoHosts();
    const first = turn(driver, "1", TURN_1);
    for (let index = 2; index < 12; index += 1) expect(turn(driver, `${index}`, TURN_2)).toBe(first);
  });

  it("count up to the deepest hash that both have, in the bytes the edge told", () => {
    const driver = twoHosts();
    const hostId = turn(driver, "1", TURN_1, { pinnedHost: "a" });
    expect(cachedTokens(driver, "2", TURN_2, hostId)).toBeCloseTo(3 * 1_000, 6);
    expect(cachedTokens(driver, "3", [99, 12, 13], "a")).toBeCloseTo(2_999, 6);
    const request = { prefix: TURN_2, prefixEnds: [500, 900, 1_200, 1_300, 1_400], promptBytes: 2_000 };
    driver.now += 5_000;
    const { decision } = grantIn(driver.acquire("4", request));
    expect(decision.candidates.find((one) => one.hostId === "a")?.parts?.["cached"]).toBeCloseTo(300, 6);
  });

  it("are none of another model's", () => {
    const driver = new FleetDriver({ policy: "predicted_latency" });
    driver.at(6_000);
    const both = { models: [aModel(MODEL), aModel(OTHER)], running: [aRunning(MODEL), aRunning(OTHER)] };
    driver.join("a", both);
    grantIn(driver.acquire("1", { prefix: TURN_1, promptBytes: 12_000 }));
    driver.now += 10_000;
    driver.settle("1");
    const { decision } = grantIn(driver.acquire("2", { prefix: TURN_2, promptBytes: 20_000, model: OTHER }));
    expect(decision.candidates[0]?.parts?.["cached"]).toBe(0);
  });

  it("are forgotten when the model is unloaded, loaded with another context, pulled anew, or the host starts anew", () => {
    const ends = [
      { ...LOADED, models: [aModel(MODEL, { sizeBytes: 5e9, digest: "d2" })] },
      { ...LOADED, running: [] },
      { ...LOADED, running: [aRunning(MODEL, { contextLength: 8_192 })] },
      { ...LOADED, runId: "run-00002" },
    ];
    for (const end of ends) {
      const driver = twoHosts();
      turn(driver, "1", TURN_1, { pinnedHost: "a" });
      expect(driver.fleet.prefixes.size).toBe(3);
      driver.beat("a", end);
      expect(driver.fleet.prefixes.size).toBe(0);
    }
  });

  it("are forgotten with a host that is removed", () => {
    const driver = twoHosts();
    turn(driver, "1", TURN_1, { pinnedHost: "a" });
    driver.send({ type: "host-removed", hostId: "a" });
    expect(driver.fleet.prefixes.size).toBe(0);
  });

  it("are remembered up to what a host can keep, whole conversations, the least recent forgotten first", () => {
    const driver = twoHosts();
    const conversation = (index: number) => Array.from({ length: 40 }, (_, block) => index * 1_000 + block);
    for (let index = 0; index < 20; index += 1) {
      turn(driver, `${index}`, conversation(index), { pinnedHost: "a", promptBytes: 40 * 1_024 });
    }
    const { saved = [], slots = [] } = heldOn(driver, "a")?.cache ?? {};
    // 8 GiB of 128 KiB tokens, the newest of which is in a slot only.
    expect(saved.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(66_000);
    expect(saved.map(({ hashes }) => hashes.at(-1))).toEqual([13_039, 14_039, 15_039, 16_039, 17_039, 18_039]);
    expect(slots.map(({ held }) => held?.hashes.at(-1))).toEqual([16_039, 17_039, 18_039, 19_039]);
    expect(driver.fleet.prefixes.size).toBe(7 * 40);
  });

  it("are remembered one in each slot, however long, and no others by an Ollama without host memory for them", () => {
    for (const [ollamaVersion, most] of [
      ["0.33.0", 5],
      ["0.29.9", 4],
    ] as const) {
      const driver = twoHosts();
      driver.beat("a", { ...LOADED, ollamaVersion });
      for (let index = 0; index < 12; index += 1) {
        turn(driver, `${index}`, [index], { pinnedHost: "a", promptBytes: 1_000_000 });
        driver.beat("a", { ...LOADED, ollamaVersion });
      }
      expect(driver.fleet.prefixes.size).toBe(most);
    }
  });

  it("are remembered of no more than 400 prompts, however short", () => {
    const driver = twoHosts();
    for (let index = 0; index < 450; index += 1) {
      driver.acquire(`${index}`, { pinnedHost: "a", prefix: [index], promptBytes: 40, numPredict: 1 });
      driver.settle(`${index}`);
    }
    // Those in the slots, of which all but the last are saved.
    expect(driver.fleet.prefixes.size).toBe(401);
  });

  it("of a conversation's earlier turns give way to those of its latest", () => {
    const driver = twoHosts();
    turn(driver, "1", TURN_1, { pinnedHost: "a" });
    turn(driver, "2", TURN_2, { pinnedHost: "a" });
    turn(driver, "3", [99], { pinnedHost: "a" });
    turn(driver, "4", [98], { pinnedHost: "a" });
    const saved = heldOn(driver, "a")?.cache.saved ?? [];
    expect(saved.map(({ hashes }) => hashes.at(-1))).toEqual([15, 99]);
    expect(driver.fleet.prefixes.size).toBe(7);
  });

  it("count for less where what was expected in the cache had to be read again", () => {
    const driver = twoHosts();
    const report = (id: string, promptMs: number) => ({
      ...LOADED,
      finished: [
        {
          id: `L-${id}`,
          model: MODEL,
          outcome: "served" as const,
          promptTokens: 5_000,
          promptMs,
          outputTokens: 50,
          outputMs: 1_000,
          loadMs: 3,
          totalMs: promptMs + 1_010,
        },
      ],
    });
    for (let index = 0; index < 4; index += 1) {
      const id = `fresh-${index}`;
      grantIn(driver.acquire(id, { prefix: [], promptBytes: 20_000, pinnedHost: "a" }));
      driver.now += 9_000;
      driver.settle(id);
      driver.beat("a", report(id, 2_500));
      driver.beat("b", LOADED);
    }
    for (let index = 0; index < 12; index += 1) {
      const id = `${index}`;
      grantIn(driver.acquire(id, { prefix: TURN_2, promptBytes: 20_000, pinnedHost: "a" }));
      driver.now += 9_000;
      driver.settle(id);
      driver.beat("a", report(id, 2_500));
      driver.beat("b", LOADED);
    }
    expect(cachedTokens(driver, "x", TURN_2, "a")).toBeLessThan(2_500);
  });
});
