// What a prompt pushes out of a host's memory counts where prompts are gone on from, and the less the older it is.
import { describe, expect, it } from "vitest";
import { learnReuse, tokensDisplaced } from "../../src/core/displacement.ts";
import { FleetDriver, MODEL, aModel, aRunning, grantIn } from "./builders.ts";

const NOW = 1_000_000;

function holding(room: number, readAt: number) {
  return { slots: [], room, saved: [{ hashes: [1], tokens: 4_000, saved: true, readAt }] };
}

describe("what a prompt displaces", () => {
  it("is nothing while there is room, and then what does not fit", () => {
    expect(tokensDisplaced(holding(5_000, NOW), 5_000, 1, NOW)).toBe(0);
    expect(tokensDisplaced(holding(2_000, NOW), 5_000, 1, NOW)).toBe(3_000);
    expect(tokensDisplaced({ slots: [], room: 0, saved: [] }, 5_000, 1, NOW)).toBe(0);
  });

  it("is never more than what is new", () => {
    expect(tokensDisplaced(holding(-2_000, NOW), 5_000, 1, NOW)).toBe(5_000);
  });

  it("counts half as much where the oldest prompt was read twice as long ago", () => {
    const of = (ageMs: number) => tokensDisplaced(holding(0, NOW - ageMs), 5_000, 1, NOW);
    expect(of(240_000)).toBeCloseTo(of(120_000) / 2, 9);
    expect(of(1_000)).toBe(of(60_000));
  });

  it("counts by the part of prompts that go on from one that is held", () => {
    const reuse = { value: 0, samples: 0 };
    for (let index = 0; index < 100; index += 1) learnReuse(reuse, index % 4 === 0);
    expect(reuse.value).toBeCloseTo(0.25, 6);
    expect(tokensDisplaced(holding(0, NOW), 4_000, reuse.value, NOW)).toBeCloseTo(1_000, 1);
    expect(tokensDisplaced(holding(0, NOW), 4_000, 0, NOW)).toBe(0);
  });

  it("sends a new prompt to the host whose prompts are the oldest", () => {
    const driver = new FleetDriver({ policy: "predicted_latency", spreads: false });
    driver.at(6_000);
    const beat = {
      models: [aModel(MODEL, { sizeBytes: 4.9e9 })],
      running: [aRunning()],
      slots: 1,
      parallel: 1,
      ollamaVersion: "0.33.0",
    };
    for (const host of ["a", "b"]) driver.join(host, beat);
    let hash = 0;
    const turn = (id: string, pinnedHost: string): void => {
      // Each prompt is asked twice, so that prompts are known to be gone on from.
      const prefix = Array.from({ length: 12 }, () => (hash += 1));
      for (const again of ["", " again"]) {
        grantIn(driver.acquire(id + again, { prefix, promptBytes: 48_000, pinnedHost }));
        driver.now += 5_000;
        driver.settle(id + again);
        for (const host of ["a", "b"]) driver.beat(host, beat);
      }
    };
    for (const host of ["a", "b"]) for (let index = 0; index < 9; index += 1) turn(`${host}${index}`, host);
    const { decision, hostId } = grantIn(driver.acquire("new", { prefix: [0], promptBytes: 48_000 }));
    const [young = 0, old = 0] = ["b", "a"].map(
      (host) => decision.candidates.find((one) => one.hostId === host)?.parts?.["displaced"] ?? 0,
    );
    expect(old).toBeGreaterThan(0);
    expect(young).toBeGreaterThan(1.2 * old);
    expect(hostId).toBe("a");
  });
});
