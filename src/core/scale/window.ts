// What one model was asked for in the last minutes: a ring of buckets that forgets by itself.

/** What is forgotten at once, and the finest part of a window that can be looked at, is a bucket. */
const BUCKETS = 64;
/** Upper bounds of the wait histogram, ms: from 50 ms in steps of √2 to about ten minutes. */
const WAIT_BOUNDS_MS = Array.from({ length: 28 }, (_, step) => 50 * Math.SQRT2 ** step);

interface Bucket {
  index: number;
  arrivals: number;
  gaps: number;
  gapSeconds: number;
  gapSeconds2: number;
  /** Server time spent, s; requests that still run included. */
  busySeconds: number;
  ended: number;
  serviceSeconds: number;
  serviceSeconds2: number;
  loads: number;
  loadSeconds: number;
  waited: number;
  readonly waits: number[];
}

export interface Window {
  readonly lengthMs: number;
  readonly startedAt: number;
  /** Since when the load has not changed, as far as can be told. */
  steadySince: number;
  buckets: Bucket[];
  lastArrivalAt?: number | undefined;
  running: number;
  /** Until when the running requests have been counted as busy. */
  countedUntil: number;
}

/** A window over the last `lengthMs`. */
export function openWindow(lengthMs: number, now: number): Window {
  return { lengthMs, startedAt: now, steadySince: now, buckets: [], running: 0, countedUntil: now };
}

export function countArrival(window: Window, now: number): void {
  const bucket = bucketAt(window, now);
  bucket.arrivals += 1;
  if (window.lastArrivalAt !== undefined && now - window.lastArrivalAt < window.lengthMs) {
    const gap = (now - window.lastArrivalAt) / 1000;
    bucket.gaps += 1;
    bucket.gapSeconds += gap;
    bucket.gapSeconds2 += gap * gap;
  }
  window.lastArrivalAt = now;
}

/** A request has got its slot, after waiting for it. */
export function countStart(window: Window, waitedMs: number, now: number): void {
  accrue(window, now);
  window.running += 1;
  const bucket = bucketAt(window, now);
  bucket.waited += 1;
  const step = WAIT_BOUNDS_MS.findIndex((bound) => waitedMs <= bound);
  const at = step === -1 ? WAIT_BOUNDS_MS.length : step;
  bucket.waits[at] = (bucket.waits[at] ?? 0) + 1;
}

/** A request has given its slot back. */
export function countEnd(window: Window, serviceMs: number, now: number): void {
  accrue(window, now);
  window.running = Math.max(0, window.running - 1);
  const seconds = serviceMs / 1000;
  const bucket = bucketAt(window, now);
  bucket.ended += 1;
  bucket.serviceSeconds += seconds;
  bucket.serviceSeconds2 += seconds * seconds;
}

/** A host reports how long a request waited for the model to load: that is no service. */
export function countLoad(window: Window, loadMs: number, now: number): void {
  const bucket = bucketAt(window, now);
  bucket.loads += 1;
  bucket.loadSeconds += loadMs / 1000;
  bucket.busySeconds -= loadMs / 1000;
}

/** Sums of what the window holds. */
export interface Totals extends Omit<Bucket, "index" | "waited" | "waits"> {
  /** How long the window has been looking, s; at most its length. */
  readonly seconds: number;
}

/** Adds up what happened since an instant, to the bucket. */
export function totalsOf(window: Window, now: number, sinceAt: number): Totals {
  accrue(window, now);
  const newest = indexAt(window, now);
  const bucketMs = bucketMsOf(window);
  const oldest = Math.max(newest - BUCKETS + 1, Math.min(newest, indexAt(window, sinceAt)));
  const since = Math.max(window.startedAt, oldest * bucketMs);
  const sum: Totals & Bucket = { ...emptyBucket(newest), seconds: Math.max(now - since, bucketMs) / 1000 };
  for (const bucket of window.buckets) {
    if (bucket.index < oldest) continue;
    sum.arrivals += bucket.arrivals;
    sum.gaps += bucket.gaps;
    sum.gapSeconds += bucket.gapSeconds;
    sum.gapSeconds2 += bucket.gapSeconds2;
    sum.busySeconds += bucket.busySeconds;
    sum.ended += bucket.ended;
    sum.serviceSeconds += bucket.serviceSeconds;
    sum.serviceSeconds2 += bucket.serviceSeconds2;
    sum.loads += bucket.loads;
    sum.loadSeconds += bucket.loadSeconds;
  }
  return sum;
}

/** The wait that a share of the requests started since an instant stayed below, ms, to the next bound of the histogram. */
export function observedWaitMs(window: Window, sinceAt: number, quantile: number): number {
  const recent = window.buckets.filter((bucket) => bucket.index >= indexAt(window, sinceAt));
  const waited = recent.reduce((sum, bucket) => sum + bucket.waited, 0);
  let seen = 0;
  for (const [step, bound] of WAIT_BOUNDS_MS.entries()) {
    for (const { waits } of recent) seen += waits[step] ?? 0;
    if (seen >= quantile * waited) return step === 0 ? 0 : bound;
  }
  return WAIT_BOUNDS_MS.at(-1) ?? 0;
}

/** Charges running requests to the buckets in which they ran. */
function accrue(window: Window, now: number): void {
  const bucketMs = bucketMsOf(window);
  if (window.running === 0) window.countedUntil = Math.max(window.countedUntil, now);
  // What lies before the window is forgotten anyway.
  window.countedUntil = Math.max(window.countedUntil, now - window.lengthMs);
  while (window.countedUntil < now) {
    const index = indexAt(window, window.countedUntil);
    const until = Math.min(now, (index + 1) * bucketMs);
    bucketAt(window, window.countedUntil).busySeconds += (window.running * (until - window.countedUntil)) / 1000;
    window.countedUntil = until;
  }
}

function indexAt(window: Window, at: number): number {
  return Math.floor(at / bucketMsOf(window));
}

/** Whole ms: the bounds of buckets must be exact, or a walk over them need not end. */
function bucketMsOf(window: Window): number {
  return Math.max(1, Math.ceil(window.lengthMs / BUCKETS));
}

function bucketAt(window: Window, at: number): Bucket {
  const index = indexAt(window, at);
  const last = window.buckets.at(-1);
  if (last !== undefined && last.index >= index)
    return window.buckets.findLast((bucket) => bucket.index <= index) ?? last;
  const bucket = emptyBucket(index);
  window.buckets.push(bucket);
  window.buckets = window.buckets.filter((kept) => kept.index > index - BUCKETS);
  return bucket;
}

function emptyBucket(index: number): Bucket {
  return {
    index,
    arrivals: 0,
    gaps: 0,
    gapSeconds: 0,
    gapSeconds2: 0,
    busySeconds: 0,
    ended: 0,
    serviceSeconds: 0,
    serviceSeconds2: 0,
    loads: 0,
    loadSeconds: 0,
    waited: 0,
    waits: [],
  };
}
