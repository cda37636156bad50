// A queue whose servers follow what scaling wants, under a load of any kind: what the tests of scaling's promises look at.
import * as fc from "fast-check";
import { figuresOf } from "../../../src/core/scale/figures.ts";
import { slotsFor } from "../../../src/core/scale/size.ts";
import { follow, steadyAt } from "../../../src/core/scale/steady.ts";
import { countArrival, countEnd, countStart, openWindow } from "../../../src/core/scale/window.ts";
import { seededRandom } from "../builders.ts";

const T0 = 1_800_000_000_000;
const TICK_MS = 5_000;
const WINDOW_MS = 120_000;
const COOL_DOWN_MS = 300_000;
const TARGET_MS = 2_000;

export interface Load {
  /** Mean number of requests in service. */
  readonly offered: number;
  readonly serviceMs: number;
  readonly gaps: "poisson" | "even" | "bursty";
  readonly work: "exponential" | "even" | "mixed";
  readonly seed: number;
  /** From an instant on so many times the requests, ms from the start. */
  readonly change?: { readonly atMs: number; readonly times: number };
}

const seed = fc.integer({ min: 1, max: 2 ** 30 });
const serviceMs = fc.constantFrom(800, 3_000, 8_000, 20_000, 45_000);

/** From one request in 30 s (in 10 s where they come in bursts: longer silences are silence) up to 25 at a time. */
export function loadsOf(gaps: readonly Load["gaps"][], work: readonly Load["work"][]): fc.Arbitrary<Load> {
  const any = fc.record({
    offered: fc.noBias(fc.integer({ min: 0, max: 1_000 })).map((step) => 0.03 * (25 / 0.03) ** (step / 1_000)),
    serviceMs,
    gaps: fc.constantFrom(...gaps),
    work: fc.constantFrom(...work),
    seed,
  });
  return any.map((load) => ({
    ...load,
    offered: Math.max(load.offered, load.serviceMs / (load.gaps === "bursty" ? 10_000 : 30_000)),
  }));
}

export interface Trace {
  /** Every level taken and when, ms from the start, in order. */
  readonly levels: readonly { readonly atMs: number; readonly level: number }[];
  /** How often a level rose after one had been lowered. */
  readonly reversals: number;
  /** Requests of the second half, and how many of them waited longer than the target. */
  readonly started: number;
  readonly late: number;
}

/** Runs a load for so long, from no server at all. */
export function simulate(load: Load, lengthMs: number): Trace {
  return new Queue(load, lengthMs).run();
}

/** The level at an instant, ms from the start. */
export function levelAt({ levels }: Trace, atMs: number): number {
  return levels.findLast((each) => each.atMs <= atMs)?.level ?? 0;
}

class Queue {
  private readonly load: Load;
  private readonly lengthMs: number;
  private readonly random: () => number;
  private readonly window = openWindow(8 * WINDOW_MS, T0);
  private readonly steady = steadyAt(0, COOL_DOWN_MS, T0);
  private readonly waiting: number[] = [];
  /** By end. */
  private readonly running: { at: number; from: number }[] = [];
  private started = 0;
  private late = 0;

  constructor(load: Load, lengthMs: number) {
    this.load = load;
    this.lengthMs = lengthMs;
    this.random = seededRandom(load.seed);
  }

  run(): Trace {
    const levels: { atMs: number; level: number }[] = [];
    let reversals = 0;
    let lowered = false;
    let next = T0 + this.gapMs(T0);
    for (let now = T0 + TICK_MS; now <= T0 + this.lengthMs; now += TICK_MS) {
      next = this.pass(next, now);
      this.start(now);
      const overdue = this.waiting.filter((at) => now - at > TARGET_MS).length;
      const before = this.steady.level;
      const level = follow(this.steady, slotsFor(figuresOf(this.window, WINDOW_MS, now), overdue, TARGET_MS), now);
      if (level === before) continue;
      levels.push({ atMs: now - T0, level });
      if (level < before) lowered = true;
      else if (lowered) {
        reversals += 1;
        lowered = false;
      }
    }
    return { levels, reversals, started: this.started, late: this.late };
  }

  /** All arrivals and ends until an instant; answers when the next request arrives. */
  private pass(next: number, now: number): number {
    for (;;) {
      const end = this.running[0]?.at ?? Infinity;
      const at = Math.min(next, end);
      if (at > now) return next;
      if (at === end) {
        const done = this.running.shift();
        if (done !== undefined) countEnd(this.window, done.at - done.from, at);
      } else {
        countArrival(this.window, at);
        this.waiting.push(at);
        next = at + this.gapMs(at);
      }
      this.start(at);
    }
  }

  private start(at: number): void {
    while (this.waiting.length > 0 && this.running.length < this.steady.level) {
      const arrived = this.waiting.shift() ?? at;
      countStart(this.window, at - arrived, at);
      if (at > T0 + this.lengthMs / 2) {
        this.started += 1;
        if (at - arrived > TARGET_MS) this.late += 1;
      }
      const end = { at: at + this.workMs(), from: at };
      const place = this.running.findIndex((other) => other.at > end.at);
      if (place === -1) this.running.push(end);
      else this.running.splice(place, 0, end);
    }
  }

  private gapMs(at: number): number {
    const { gaps, serviceMs: workMs, offered, change } = this.load;
    const times = change !== undefined && at - T0 >= change.atMs ? change.times : 1;
    const mean = workMs / offered / times;
    if (gaps === "even") return mean;
    return gaps === "poisson" ? this.exponential(mean) : this.hyper(mean);
  }

  private workMs(): number {
    const { work, serviceMs: mean } = this.load;
    if (work === "even") return mean;
    return work === "exponential" ? this.exponential(mean) : this.hyper(mean);
  }

  private exponential(mean: number): number {
    return -mean * Math.log(1 - this.random());
  }

  /** Nine short ones to one that is nine times as long: a squared coefficient of variation of 4.6. */
  private hyper(mean: number): number {
    const short = this.random() < 0.9;
    return this.exponential(short ? mean * 0.5556 : mean * 5);
  }
}
