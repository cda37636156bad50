// From demand to slots: what a model, or the whole fleet, needs now and what would surely be enough.
import type { Figures } from "./figures.ts";
import type { Traffic } from "./queueing.ts";
import { longestQueue, PROMISED, serversFor, SIZED_FOR, waitSeconds } from "./queueing.ts";
import type { Wish } from "./steady.ts";

/** A backlog is to be worked off within so many seconds at least; what loads or runs longer takes longer. */
const SHORTEST_DRAIN_SECONDS = 10;

/** So many of those in service may wait too long for a moment without it meaning anything. */
const USUAL_OVERDUE = 0.5;

/** The wish of what nobody asks for. */
export const IDLE: Wish = { needed: 0, surely: 0, enough: 0, overdue: 0, patience: 0, steadySince: -Infinity };

/** Slots that keep the waits below the target and work off those who wait too long already. */
export function slotsFor(figures: Figures, overdue: number, targetWaitMs: number): Wish {
  const { traffic, atLeast, atMost, loadSeconds, running, steadySince, observedWaitMs } = figures;
  if (figures.isIdle && overdue === 0) return IDLE;
  const drainSeconds = Math.max(SHORTEST_DRAIN_SECONDS, traffic.serviceSeconds, loadSeconds ?? 0);
  const slots = (load: Traffic): number => Math.max(1, serversFor(load, targetWaitMs / 1000, SIZED_FOR));
  const backlog = Math.max(0, overdue - running * USUAL_OVERDUE);
  const ratePerSecond = traffic.ratePerSecond + backlog / drainSeconds;
  const needed = slots({ ...traffic, ratePerSecond });
  const enough = slots(atMost);
  // Where too many wait too long already, half the caution is enough.
  const surely = slots(observedWaitMs > targetWaitMs ? halfWay(atLeast, traffic) : atLeast);
  // With the most that the load may be, patience would be endless.
  const probable = halfWay(traffic, atMost);
  return { needed, surely, enough, overdue, patience: longestQueue(probable, enough), steadySince };
}

/** A load of one's shape at a rate between both. */
function halfWay(one: Traffic, other: Traffic): Traffic {
  return { ...one, ratePerSecond: Math.sqrt(one.ratePerSecond * other.ratePerSecond) };
}

/** The same in copies or hosts of so many slots each. */
export function inUnitsOf(slots: number, wish: Wish): Wish {
  const size = Math.max(1, slots);
  const units = (count: number): number => Math.ceil(count / size);
  return { ...wish, needed: units(wish.needed), surely: units(wish.surely), enough: units(wish.enough) };
}

/** Keeps a wish between two bounds. */
export function within(wish: Wish, least: number, most: number): Wish {
  const clamp = (count: number): number => Math.min(most, Math.max(least, count));
  return { ...wish, needed: clamp(wish.needed), surely: clamp(wish.surely), enough: clamp(wish.enough) };
}

/** The demand and what it comes to, in words. */
export function describe(figures: Figures, slots: number, targetWaitMs: number): string {
  const { traffic, isIdle } = figures;
  if (isIdle) return "no request in the window";
  const wait = waitSeconds(traffic, slots, PROMISED);
  const forecast = Number.isFinite(wait)
    ? `p95 wait ${wait.toFixed(1)} s with ${slots} slots`
    : `more than ${slots} slots can serve`;
  const { ratePerSecond, serviceSeconds } = traffic;
  return `${round(ratePerSecond)} requests/s of ${round(serviceSeconds)} s: ${forecast}, wanted at most ${round(targetWaitMs / 1000)} s`;
}

function round(value: number): string {
  return value >= 10 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}
