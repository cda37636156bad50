// Figures: what a window tells of a load: as measured, what it surely is at least, the most it may be; and since when it is steady.
import { PROMISED } from "./queueing.ts";
import type { Traffic } from "./queueing.ts";
import { observedWaitMs, totalsOf } from "./window.ts";
import type { Totals, Window } from "./window.ts";

/** Until the first request has ended. */
const FIRST_GUESS_SECONDS = 5;
/** Coefficients of variation start at 1 and count as if so many samples had said so. */
const PRIOR_SAMPLES = 20;
const SCV_MAX = 16;
/** Until many samples have said otherwise, a load may be as uneven as this. */
const CAUTIOUS_SCV = 4;
/** The newest part of the window, which sees a rise first. */
const RECENT_SHARE = 0.25;
/** Standard deviations by which requests must differ from the expected to count as a change: looked for every few seconds. */
const DEVIATIONS = 5.7;
/**
 * Standard deviations (of the logarithm) that the load may lie above and below its measurement. Together 7.5 apart: two
 * measurements of one load differ by so much, which is 7.5 / √2 of the standard deviations of their difference, once in 10⁷.
 */
const MARGIN_ABOVE = 4;
const MARGIN_BELOW = 3.5;
/** By so much its unevenness may be off. */
const UNEVENNESS_ABOVE = 2;
const UNEVENNESS_BELOW = 3;
/** So many usual gaps without a request are silence, or so many windows. */
const SILENT_GAPS = 40;
const SILENT_WINDOWS_MAX = 4;

/** What is known of the requests for one model, or of all. */
export interface Figures {
  /** Nothing runs, and none has come for longer than chance would have it. */
  readonly isIdle: boolean;
  readonly observedWaitMs: number;
  readonly loadSeconds?: number | undefined;
  readonly running: number;
  /** Since when the load has not changed, as far as can be told. */
  readonly steadySince: number;
  /** As measured; a rise shows in it as soon as it is no mere chance. */
  readonly traffic: Traffic;
  /** What it surely is at least and at most, given how few requests it was measured on. */
  readonly atLeast: Traffic;
  readonly atMost: Traffic;
}

/**
 * Sums up a window. As long as the newest requests could be mere chance under the load measured before, they only make
 * that measurement more exact; once they could not, what was before them is history.
 */
export function figuresOf(window: Window, windowMs: number, now: number): Figures {
  for (const lengthMs of [windowMs, windowMs * RECENT_SHARE]) {
    const since = Math.max(window.steadySince, now - lengthMs);
    if (since > window.steadySince && hasChanged(window, since, now)) window.steadySince = since;
  }
  const totals = totalsOf(window, now, window.steadySince);
  const shape = shapeOf(totals, window.running);
  const seconds = Math.max(totals.seconds, (windowMs * RECENT_SHARE) / 1000);
  const careful = shapeOf(totals, window.running, CAUTIOUS_SCV);
  const deviation = Math.sqrt((careful.arrivalScv + careful.serviceScv) / Math.max(1, totals.arrivals));
  const at = (of: Shape, deviations: number, unevenness: number): Traffic => ({
    ratePerSecond: (totals.arrivals / seconds) * Math.exp(deviations * deviation),
    serviceSeconds: of.serviceSeconds,
    arrivalScv: of.arrivalScv * unevenness,
    serviceScv: of.serviceScv * unevenness,
  });
  return {
    isIdle: window.running === 0 && isSilent(window, windowMs, now),
    observedWaitMs: observedWaitMs(window, now - windowMs, PROMISED),
    loadSeconds: totals.loads === 0 ? undefined : totals.loadSeconds / totals.loads,
    running: window.running,
    steadySince: window.steadySince,
    traffic: at(shape, 0, 1),
    atLeast: at(shape, -MARGIN_BELOW, 1 / UNEVENNESS_BELOW),
    atMost: at(careful, MARGIN_ABOVE, UNEVENNESS_ABOVE),
  };
}

/** Whether no request has come for many times the usual gap; for a window at the least, and a few are enough for any. */
function isSilent(window: Window, windowMs: number, now: number): boolean {
  const { lastArrivalAt, steadySince } = window;
  if (lastArrivalAt === undefined) return true;
  const { arrivals, seconds } = totalsOf(window, now, steadySince);
  const usualGapMs = (seconds * 1000) / Math.max(1, arrivals);
  return now - lastArrivalAt >= Math.min(SILENT_WINDOWS_MAX * windowMs, Math.max(windowMs, SILENT_GAPS * usualGapMs));
}

/** Whether what happened since an instant is too much or too little to be chance under the load of the time before it. */
function hasChanged(window: Window, since: number, now: number): boolean {
  const all = totalsOf(window, now, window.steadySince);
  const newest = totalsOf(window, now, since);
  const before = {
    arrivals: all.arrivals - newest.arrivals,
    seconds: all.seconds - newest.seconds,
    ended: all.ended - newest.ended,
    serviceSeconds: all.serviceSeconds - newest.serviceSeconds,
  };
  if (before.seconds < newest.seconds || before.arrivals === 0) return false;
  const { arrivalScv, serviceScv } = shapeOf(all, window.running, CAUTIOUS_SCV);
  const usual = meanOf(before.seconds, before.arrivals, arrivalScv);
  if (deviations(meanOf(newest.seconds, newest.arrivals, arrivalScv), usual) < -DEVIATIONS) return true;
  if (deviations(meanOf(newest.seconds, newest.arrivals + 1, arrivalScv), usual) > DEVIATIONS) return true;
  if (newest.ended === 0 || before.ended === 0) return false;
  const service = meanOf(newest.serviceSeconds, newest.ended, serviceScv);
  return Math.abs(deviations(service, meanOf(before.serviceSeconds, before.ended, serviceScv))) > DEVIATIONS;
}

interface Mean {
  readonly value: number;
  /** How many exponential times would vary as little as these. */
  readonly shape: number;
}

function meanOf(sum: number, count: number, variation: number): Mean {
  return { value: sum / Math.max(1, count), shape: count / variation };
}

/** Standard deviations by which one mean of times lies above another: Paulson's normal approximation of the F distribution. */
function deviations(mean: Mean, usual: Mean): number {
  if (mean.shape === 0 || usual.shape === 0) return 0;
  const root = Math.cbrt(mean.value / usual.value);
  const a = 1 / (9 * mean.shape);
  const b = 1 / (9 * usual.shape);
  return (root * (1 - b) - (1 - a)) / Math.sqrt(root * root * b + a);
}

type Shape = Omit<Traffic, "ratePerSecond">;

/** How long requests take and how uneven they are; as uneven as `prior` until many samples have said otherwise. */
function shapeOf(totals: Totals, running: number, prior = 1): Shape {
  return {
    serviceSeconds: serviceSeconds(totals, running),
    arrivalScv: scv(totals.gaps, totals.gapSeconds, totals.gapSeconds2, prior),
    serviceScv: scv(totals.ended, totals.serviceSeconds, totals.serviceSeconds2, prior),
  };
}

/**
 * Time spent over requests ended: the maximum-likelihood estimate while others still run (censored). Until a few have
 * ended it leans towards the mean age of those that run, for one early end would make the rest look endless.
 */
function serviceSeconds({ busySeconds, ended }: Totals, running: number): number {
  const seconds = Math.max(0.001, busySeconds / Math.max(1, ended + running / (1 + ended)));
  return ended === 0 ? Math.max(FIRST_GUESS_SECONDS, seconds) : seconds;
}

function scv(count: number, sum: number, sumOfSquares: number, prior: number): number {
  if (count < 2 || sum <= 0) return prior;
  const mean = sum / count;
  const measured = Math.max(0, sumOfSquares / count - mean * mean) / (mean * mean);
  return Math.min(SCV_MAX, (measured * count + prior * PRIOR_SAMPLES) / (count + PRIOR_SAMPLES));
}
