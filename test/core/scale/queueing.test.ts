// The queueing formulas against published values, and against a queue that is simulated.
import { describe, expect, it } from "vitest";
import { erlangC, serversFor, waitSeconds } from "../../../src/core/scale/queueing.ts";
import { seededRandom } from "../builders.ts";

const poisson = { arrivalScv: 1, serviceScv: 1 };

describe("Erlang C", () => {
  it("is the utilisation where there is one server", () => {
    expect(erlangC(1, 0.3)).toBeCloseTo(0.3, 12);
  });

  // C(c, a) for a = 8 and c = 10 is 0.4092 in the tables (Cooper, Introduction to Queueing Theory).
  it("has the values of the tables", () => {
    expect(erlangC(10, 8)).toBeCloseTo(0.4092, 3);
    expect(erlangC(2, 1)).toBeCloseTo(1 / 3, 12);
  });

  it("lets everybody wait where the servers cannot keep up", () => {
    expect(erlangC(3, 3)).toBe(1);
    expect(erlangC(3, 5)).toBe(1);
    expect(erlangC(3, 0)).toBe(0);
  });
});

describe("the wait of 95 %", () => {
  it("is that of M/M/1 in closed form", () => {
    const traffic = { ratePerSecond: 0.5, serviceSeconds: 1, ...poisson };
    expect(waitSeconds(traffic, 1, 0.95)).toBeCloseTo(Math.log(0.5 / 0.05) / 0.5, 12);
  });

  it("is infinite without enough servers and nothing with many", () => {
    const traffic = { ratePerSecond: 3, serviceSeconds: 2, ...poisson };
    expect(waitSeconds(traffic, 6, 0.95)).toBe(Infinity);
    expect(waitSeconds(traffic, 30, 0.95)).toBe(0);
  });

  it.each([
    { name: "M/M/4", servers: 4, rate: 0.7, service: 5, serviceScv: 1 },
    { name: "M/D/3", servers: 3, rate: 0.26, service: 10, serviceScv: 0 },
    { name: "M/H2/6 with bursts of long answers", servers: 6, rate: 1, service: 5, serviceScv: 3 },
  ])("lies near that of a simulated $name queue", ({ servers, rate, service, serviceScv }) => {
    const traffic = { ratePerSecond: rate, serviceSeconds: service, arrivalScv: 1, serviceScv };
    const simulated = simulate(servers, rate, drawOf(service, serviceScv));
    expect(waitSeconds(traffic, servers, 0.95) / simulated).toBeGreaterThan(0.75);
    expect(waitSeconds(traffic, servers, 0.95) / simulated).toBeLessThan(1.35);
  });
});

describe("the servers wanted", () => {
  it("are the fewest that keep the wait below the target", () => {
    for (const [rate, service] of [
      [0.1, 3],
      [2, 4],
      [30, 0.5],
      [0.01, 120],
    ] as const) {
      const traffic = { ratePerSecond: rate, serviceSeconds: service, ...poisson };
      const servers = serversFor(traffic, 2, 0.95);
      expect(waitSeconds(traffic, servers, 0.95)).toBeLessThanOrEqual(2);
      expect(waitSeconds(traffic, servers - 1, 0.95)).toBeGreaterThan(2);
    }
  });

  it("are none where nothing is asked", () => {
    expect(serversFor({ ratePerSecond: 0, serviceSeconds: 5, ...poisson }, 2, 0.95)).toBe(0);
  });
});

/** Exponential, constant, or a mixture of two exponentials with balanced means. */
function drawOf(mean: number, scv: number): (random: () => number) => number {
  const exponential = (of: number, random: () => number): number => -of * Math.log(1 - random());
  if (scv === 0) return () => mean;
  if (scv === 1) return (random) => exponential(mean, random);
  const share = (1 + Math.sqrt((scv - 1) / (scv + 1))) / 2;
  return (random) => {
    const short = random() < share;
    return exponential(mean / (2 * (short ? share : 1 - share)), random);
  };
}

/** The wait of 95 % of 200,000 requests, first come first served. */
function simulate(servers: number, rate: number, draw: (random: () => number) => number): number {
  const random = seededRandom(7);
  const freeAt = new Array<number>(servers).fill(0);
  const waits: number[] = [];
  for (let at = 0; waits.length < 200_000;) {
    at += -Math.log(1 - random()) / rate;
    const first = freeAt.indexOf(Math.min(...freeAt));
    const startsAt = Math.max(at, freeAt[first] ?? 0);
    waits.push(startsAt - at);
    freeAt[first] = startsAt + draw(random);
  }
  return waits.sort((a, b) => a - b)[Math.floor(0.95 * waits.length)] ?? 0;
}
