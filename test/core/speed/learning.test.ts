// The fleet learns from what its hosts report: hosts of known speeds behind a driver, and what it then forecasts.
import { describe, expect, it } from "vitest";
import type { FinishedLease } from "../../../src/wire/heartbeat.ts";
import { FleetDriver, MODEL, T0, aModel, aRunning, grantIn, seededRandom } from "../builders.ts";

interface Speed {
  /** Tokens per ms. */
  read: number;
  write: number;
}

const PROMPT_TOKENS = 1_000;
const OUTPUT_TOKENS = 100;

/** Hosts that measure as Ollama does, one request at a time, with ±15 % of noise. */
class Bench {
  readonly driver = new FleetDriver({ policy: "predicted_latency" });
  readonly random = seededRandom(11);
  readonly speeds: Record<string, Speed>;
  #requests = 0;
  #now = 6_000;

  constructor(speeds: Record<string, Speed>) {
    this.speeds = speeds;
    this.driver.at(this.#now);
    for (const id of Object.keys(speeds)) this.beat(id);
  }

  beat(id: string, finished: FinishedLease[] = []): void {
    const models = [aModel(MODEL, { sizeBytes: 5e9 })];
    const report = { models, running: [aRunning()], finished };
    if (this.driver.fleet.hosts.has(id)) this.driver.beat(id, report);
    else this.driver.join(id, report);
  }

  /** Runs a request to its end and answers the host that had it and the seconds forecast for it. */
  run(pinnedHost?: string): { hostId: string; seconds: number } {
    this.#requests += 1;
    const name = `r${this.#requests}`;
    const request = { promptBytes: PROMPT_TOKENS * 3, ...(pinnedHost === undefined ? {} : { pinnedHost }) };
    const { hostId, decision } = grantIn(this.driver.acquire(name, request));
    const { read = 0, write = 0 } = this.speeds[hostId] ?? {};
    const noise = () => 1 + 0.15 * (2 * this.random() - 1);
    const promptMs = (PROMPT_TOKENS * (1 + PROMPT_TOKENS / 32_768) * noise()) / read;
    const outputMs = (OUTPUT_TOKENS * (1 + PROMPT_TOKENS / 49_152) * noise()) / write;
    const totalMs = promptMs + outputMs + 5;
    this.#now += totalMs;
    this.driver.now = T0 + this.#now;
    this.driver.settle(name);
    const counts = { promptTokens: PROMPT_TOKENS, outputTokens: OUTPUT_TOKENS, loadMs: 4 };
    this.beat(hostId, [{ id: `L-${name}`, model: MODEL, outcome: "served", promptMs, outputMs, totalMs, ...counts }]);
    for (const other of Object.keys(this.speeds)) if (other !== hostId) this.beat(other);
    const { prefill = 0, decode = 0 } = decision.candidates.find((one) => one.hostId === hostId)?.parts ?? {};
    return { hostId, seconds: prefill + decode };
  }

  truth(id: string): number {
    const { read = 1, write = 1 } = this.speeds[id] ?? {};
    return (PROMPT_TOKENS * (1 + PROMPT_TOKENS / 32_768)) / read / 1_000 + (OUTPUT_TOKENS * 1.02) / write / 1_000;
  }
}

describe("the fleet's forecasts", () => {
  it("are within 15 % of the truth for a new host after five requests", () => {
    for (const speed of [
      { read: 7, write: 0.13 },
      { read: 0.36, write: 0.034 },
      { read: 0.045, write: 0.009 },
    ]) {
      const bench = new Bench({ a: speed });
      for (let index = 0; index < 5; index += 1) bench.run();
      expect(Math.abs(bench.run().seconds / bench.truth("a") - 1)).toBeLessThan(0.15);
    }
  });

  it("send requests to the faster host once each has served five", () => {
    const bench = new Bench({ slow: { read: 0.7, write: 0.04 }, fast: { read: 5, write: 0.11 } });
    for (const id of ["slow", "fast"]) for (let index = 0; index < 5; index += 1) bench.run(id);
    const chosen = Array.from({ length: 10 }, () => bench.run().hostId);
    expect(new Set(chosen)).toEqual(new Set(["fast"]));
  });

  it("find a new host that is faster without being told", () => {
    const bench = new Bench({ old: { read: 0.7, write: 0.04 } });
    for (let index = 0; index < 20; index += 1) bench.run();
    bench.speeds["new"] = { read: 5, write: 0.11 };
    bench.beat("new");
    const chosen = Array.from({ length: 90 }, () => bench.run().hostId);
    expect(chosen.slice(-5)).toEqual(Array.from({ length: 5 }, () => "new"));
  });

  it("notice within twenty requests that a host has become five times slower", () => {
    const bench = new Bench({ a: { read: 5, write: 0.11 }, b: { read: 2, write: 0.06 } });
    for (const id of ["a", "b"]) for (let index = 0; index < 30; index += 1) bench.run(id);
    expect(bench.run().hostId).toBe("a");
    bench.speeds["a"] = { read: 1, write: 0.022 };
    for (let index = 0; index < 20; index += 1) bench.run();
    expect(bench.run().hostId).toBe("b");
    expect(Math.abs(bench.run("a").seconds / bench.truth("a") - 1)).toBeLessThan(0.5);
  });

  it("learn how many bytes make a token", () => {
    const bench = new Bench({ a: { read: 5, write: 0.1 } });
    for (let index = 0; index < 5; index += 1) bench.run();
    expect(bench.driver.fleet.speed.models.get(MODEL)?.bytesPerToken.value).toBeCloseTo(3, 6);
  });
});
