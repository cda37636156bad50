// How many requests at once a host gets whose Ollama works on fewer than its agent says: seen in the time it lets them wait.
import { describe, expect, it } from "vitest";
import type { FleetBeat } from "../../src/core/fleet.ts";
import { FleetDriver, MODEL, aModel, aRunning } from "./builders.ts";

const SAID = 4;
const ANSWER_MS = 4_000;
const LOADED = { models: [aModel(MODEL, { sizeBytes: 5e9 })], running: [aRunning()], slots: SAID, parallel: SAID };

/** A fleet of one host that says four and works on `real` requests at once, in rounds of as many as it is sent. */
class OneHost {
  readonly driver = new FleetDriver({ policy: "predicted_latency", queueLimit: 100, queueTimeoutMs: 3_600_000 });
  real: number;
  #requests = 0;

  constructor(real: number) {
    this.real = real;
    this.driver.at(6_000);
    this.driver.join("a", LOADED);
  }

  /** Keeps the queue full, ends all that runs, and reports it; answers how many ran at once. */
  round(): number {
    const { driver } = this;
    while (driver.fleet.leases.size + driver.fleet.queue.waiting.size < 2 * SAID) {
      this.#requests += 1;
      driver.acquire(`${this.#requests}`, { promptBytes: 4_000 });
    }
    const leases = [...driver.fleet.leases.keys()];
    const finished = leases.map((id, index) => this.#report(id, Math.floor(index / this.real)));
    driver.now += ANSWER_MS * Math.ceil(leases.length / this.real);
    for (const leaseId of leases) driver.send({ type: "settle", leaseId, outcome: { type: "served" } });
    const active = [...driver.fleet.leases.keys()].map((id) => ({ id, model: MODEL, startedAt: driver.now }));
    driver.beat("a", { ...LOADED, active, finished });
    return leases.length;
  }

  /** Whoever waited inside the host for others shows that in nothing but the whole time. */
  #report(id: string, before: number): FleetBeat["finished"][number] {
    const measured = { promptTokens: 1_000, promptMs: 300, outputTokens: 200, outputMs: ANSWER_MS - 310, loadMs: 3 };
    return { id, model: MODEL, outcome: "served", ...measured, totalMs: ANSWER_MS * (1 + before) };
  }
}

describe("a host that says four at once", () => {
  it("gets hardly more than the one that its Ollama works on, within ten rounds", () => {
    const host = new OneHost(1);
    const rounds = Array.from({ length: 20 }, () => host.round());
    expect(rounds[0]).toBe(SAID);
    expect(rounds.slice(10).every((atOnce) => atOnce <= 2)).toBe(true);
    expect(rounds.slice(10).filter((atOnce) => atOnce === 1).length).toBeGreaterThanOrEqual(6);
  });

  it("gets four where its Ollama works on four", () => {
    const host = new OneHost(SAID);
    for (let round = 0; round < 20; round += 1) expect(host.round()).toBe(SAID);
  });

  it("is tried with more again when its limit was somebody else's doing", () => {
    const host = new OneHost(1);
    for (let round = 0; round < 10; round += 1) host.round();
    host.real = SAID;
    let most = 0;
    for (let round = 0; round < 150; round += 1) most = Math.max(most, host.round());
    expect(most).toBe(SAID);
  });
});
