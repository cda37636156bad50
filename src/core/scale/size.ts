// From demand to slots: what a model, or the whole fleet, needs now and what would surely be enough.
import type { Figures } from "./demand.ts";
import { offeredLoad, serversFor, waitSeconds } from "./queueing.ts";
import type { Wish } from "./steady.ts";

/** A backlog is to be worked off within so many seconds at least; what loads or runs longer takes longer. */
const SHORTEST_DRAIN_SECONDS = 10;

/** So many of those in service may wait too long for a moment without it meaning anything. */
const USUAL_OVERDUE = 0.5;

/** The wish of what nobody asks for. */
export const IDLE: Wish = { needed: 0, enough: 0, load: 0, loadAtMost: 0, loadAtLeast: 0 };

/** Slots that keep 95 % of the waits below the target and work off those who wait too long already. */
export function slotsFor(figures: Figures, overdue: number, targetWaitMs: number): Wish {
  const { traffic, atLeast, atMost, loadSeconds, running, arrivals } = figures;
  if (arrivals === 0 && running === 0 && overdue === 0) return IDLE;
  const drainSeconds = Math.max(SHORTEST_DRAIN_SECONDS, traffic.serviceSeconds, loadSeconds ?? 0);
  const targetSeconds = targetWaitMs / 1000;
  const backlog = Math.max(0, overdue - running * USUAL_OVERDUE);
  const ratePerSecond = atLeast.ratePerSecond + backlog / drainSeconds;
  const needed = Math.max(1, serversFor({ ...atLeast, ratePerSecond }, targetSeconds));
  const enough = Math.max(needed, serversFor(atMost, targetSeconds));
  const loads = { loadAtMost: offeredLoad(atMost), loadAtLeast: offeredLoad(atLeast) };
  return { needed, enough, load: offeredLoad(traffic), ...loads };
}

/** The same in copies or hosts of so many slots each. */
export function inUnitsOf(slots: number, wish: Wish): Wish {
  const size = Math.max(1, slots);
  return { ...wish, needed: Math.ceil(wish.needed / size), enough: Math.ceil(wish.enough / size) };
}

/** Keeps a wish between two bounds. */
export function within(wish: Wish, least: number, most: number): Wish {
  const clamp = (count: number): number => Math.min(most, Math.max(least, count));
  return { ...wish, needed: clamp(wish.needed), enough: clamp(wish.enough) };
}

/** The demand and what it comes to, in words. */
export function describe(figures: Figures, slots: number, targetWaitMs: number): string {
  const { traffic, running, arrivals } = figures;
  if (arrivals === 0 && running === 0) return "no request in the window";
  const wait = waitSeconds(traffic, slots);
  const forecast = Number.isFinite(wait)
    ? `p95 wait ${wait.toFixed(1)} s with ${slots} slots`
    : `more than ${slots} slots can serve`;
  const { ratePerSecond, serviceSeconds } = traffic;
  return `${round(ratePerSecond)} requests/s of ${round(serviceSeconds)} s: ${forecast}, wanted at most ${round(targetWaitMs / 1000)} s`;
}

function round(value: number): string {
  return value >= 10 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}
