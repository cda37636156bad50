// What a request would cost on a host, in ms, part by part: the rise of the total time of all requests, its own included.
import { tokensDisplaced } from "./displacement.ts";
import { decodeDepthFactor, prefillWork } from "./speed/depth.ts";
import { speedInBatch } from "./speed/decode-table.ts";
import { expectLength } from "./speed/output-length.ts";
import { modelSpeed, promptTokens } from "./speed/speeds.ts";
import type { Rates } from "./speed/speeds.ts";
import { expectedSlowness, loadAhead } from "./loads.ts";
import { foundTokens } from "./prefixes.ts";
import type { Asked } from "./prompt-cache.ts";
import { runnerOf, runnerRates } from "./runners.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import type { ExpectedEnd, Fleet, Host, Runner, Waiting, Work } from "./state.ts";

/** What a request needs, the same on every host. */
export interface Need {
  readonly request: LeaseRequest;
  readonly model: string;
  readonly shape: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** How much more each token of the answer costs behind such a prompt. */
  readonly depthFactor: number;
  /** Which part of the model's prompts go on from one that is held. */
  readonly reuse: number;
  /** Its prompt, as the prompt caches of runners are asked for it. */
  readonly asked: Asked;
  readonly now: number;
}

/** In seconds all but `cached`. A type and not an interface, so that it can stand as a decision's parts. */
export type Forecast = {
  /** Until a slot is free. */
  readonly wait: number;
  readonly load: number;
  /** Reading that requests already there still need. */
  readonly owed: number;
  readonly prefill: number;
  readonly decode: number;
  /** What the requests already there lose. */
  readonly harm: number;
  /** What later requests will read again because it takes the place of old prompts. */
  readonly displaced: number;
  /** Charged for a large request where the host's speed has not been measured yet. */
  readonly doubt: number;
  /** Tokens of the prompt that need no reading. */
  readonly cached: number;
  /** All of it, the time until the first token weighted by whether somebody waits for it. */
  readonly total: number;
};

type Parts = { -readonly [Key in keyof Forecast]: Forecast[Key] };

/** Somebody who watches waits for the first token; who gets the answer in one piece does not. Tuned in the simulator. */
const FIRST_TOKEN_WEIGHT = 1.5;
/** An answer that has become longer than expected goes on for this part of the expectation. */
const LEAST_REMAINING = 0.35;
/** A delay of a request that takes so long in all counts as it is. Tuned in the simulator. */
const FULL_WEIGHT_MS = 4_000;
/** So much work may be risked at once on a host of unknown speed; more after a number of forecasts for it. */
const TRIAL_MS = 3_000;
const DOUBTS_MAX = 80;
/** While a first request tells nothing yet, a second must be worth so many times more doubt. */
const SECOND_TRIAL = 4;
/** An answer may take this and twice the reading of its prompt before it counts as late. */
const LATE_MS = 2_000;
/** The last token of a prompt is always read: its prediction is the first of the answer. */
const LEAST_READ = 1;

/** Prepares a request for being forecast, once who has read its prompt is told under its stamp. */
export function needOf(fleet: Fleet, { request, shape }: Waiting, now: number): Need | undefined {
  const { model } = request;
  if (model === undefined) return undefined;
  const known = modelSpeed(fleet.speed, model);
  fleet.stamps += 1;
  const outputTokens = request.kind === "embed" ? 0 : expectLength(known.lengths, shape, request.numPredict);
  const tokens = promptTokens(known, request.promptBytes);
  const depthFactor = decodeDepthFactor(tokens);
  const tokensPerByte = tokens / Math.max(1, request.promptBytes);
  const asked = { hashes: request.prefix, tokens, tokensPerByte, stamp: fleet.stamps };
  const reuse = known.reuse.value;
  return { request, model, shape, promptTokens: tokens, outputTokens, depthFactor, reuse, asked, now };
}

/** Forecasts a request on a host, part by part; on one without a free slot with the wait for it. */
export function forecast(fleet: Fleet, host: Host, need: Need, free = true): Forecast {
  const parts = { ...SCRATCH };
  computeInto(parts, { fleet, host, need }, free ? 0 : waitForSlot(host, need.now));
  return parts;
}

/** One for all: a decision computes hundreds of costs and looks at the parts of a few. */
const SCRATCH: Parts = {
  wait: 0,
  load: 0,
  owed: 0,
  prefill: 0,
  decode: 0,
  harm: 0,
  displaced: 0,
  doubt: 0,
  cached: 0,
  total: 0,
};

/** Tells what a request would cost in all on a host with a free slot, in seconds. */
export function costOn(fleet: Fleet, host: Host, need: Need): number {
  computeInto(SCRATCH, { fleet, host, need }, 0);
  return SCRATCH.total;
}

/** Tells the same for a host without a free slot; undefined where the wait alone costs more than a limit. */
export function costOnBusy(fleet: Fleet, host: Host, need: Need, limit: number): number | undefined {
  const waitMs = waitForSlot(host, need.now);
  if ((need.request.streaming ? 1 + FIRST_TOKEN_WEIGHT : 1) * waitMs >= 1_000 * limit) return undefined;
  computeInto(SCRATCH, { fleet, host, need }, waitMs);
  return SCRATCH.total;
}

interface Subject {
  readonly fleet: Fleet;
  readonly host: Host;
  readonly need: Need;
}

function computeInto(parts: Parts, { fleet, host, need }: Subject, wait: number): void {
  const { now, request } = need;
  const runner = runnerOf(fleet, host, need.model, request.runner);
  const rates = runnerRates(fleet, host, runner);
  const load = runner.resident ? 0 : loadAhead(fleet, host, runner, now);
  const others = host.usedByModel.size - (host.usedByModel.has(need.model) ? 1 : 0);
  const share = 1 + others;
  const tokens = need.promptTokens;
  const cached = runner.resident ? cachedTokens(need, runner) : 0;
  const slowness =
    runner.speed.prefill.samples > 0 ? 1 : Math.max(expectedSlowness(fleet, host, runner), latenessOn(runner, now));
  const reading = (slowness * prefillWork(Math.max(LEAST_READ, tokens - cached), cached)) / rates.prefill;
  const prefill = (reading + runner.speed.readStart.value) * share;
  const neighbours = runner.work.length === 0 ? NOBODY : measureNeighbours(runner, rates, now);
  const batch = Math.max(1, Math.min(neighbours.running + 1, host.heard?.beat.parallel ?? 1));
  const perToken = slowness / speedInBatch(rates.decode, batch);
  const decode = need.outputTokens * need.depthFactor * share * perToken;
  const slowed = batch === 1 ? 0 : Math.max(0, perToken - slowness / speedInBatch(rates.decode, batch - 1));
  // Whoever still reads now will write by the time this prompt is read, and stands still meanwhile as well.
  const harm = neighbours.weight * prefill + neighbours.weightedTokens * slowed + 0.5 * others * (prefill + decode);
  const owed = wait === 0 ? neighbours.owedMs : 0;
  const added = tokens + need.outputTokens - cached;
  const displaced = tokensDisplaced(runner.held.cache, added, need.reuse, now) / rates.prefill;
  const weight = request.streaming ? 1 + FIRST_TOKEN_WEIGHT : 1;
  const sum = weight * (wait + load + owed + prefill) + decode + harm + displaced;
  const doubt = host.speed.prefill.samples > 0 ? 0 : doubtOf(host, sum - load * weight);
  parts.wait = wait / 1_000;
  parts.load = load / 1_000;
  parts.owed = owed / 1_000;
  parts.prefill = prefill / 1_000;
  parts.decode = decode / 1_000;
  parts.harm = harm / 1_000;
  parts.displaced = displaced / 1_000;
  parts.cached = cached;
  parts.doubt = doubt / 1_000;
  parts.total = (sum + doubt) / 1_000;
}

/** Nobody knows how slow an unmeasured host is: it is tried with what is small, and in the end with anything. */
function doubtOf(host: Host, workMs: number): number {
  if (host.leases.size > 0) return SECOND_TRIAL * workMs;
  return Math.max(0, workMs - TRIAL_MS) * Math.max(0, 1 - host.doubted / DOUBTS_MAX);
}

/** What a delay of a request counts, by the time it takes in all: the long ones are who make the tail. */
export function delayWeight(totalMs: number): number {
  return Math.sqrt(totalMs / FULL_WEIGHT_MS);
}

/** How many times longer than expected the first requests on a runner have taken already, while none has ended. */
function latenessOn(runner: Runner, now: number): number {
  let lateness = 1;
  for (const { grantedAt, firstTokenAt, prefillMs } of runner.work) {
    lateness = Math.max(lateness, (now - grantedAt) / (firstTokenAt - grantedAt + 2 * prefillMs + LATE_MS));
  }
  return lateness;
}

function cachedTokens(need: Need, runner: Runner): number {
  return Math.min(need.promptTokens - LEAST_READ, foundTokens(runner, need.asked) * runner.speed.hitTrust);
}

const NOBODY: Neighbours = { running: 0, weight: 0, weightedTokens: 0, owedMs: 0 };

interface Neighbours {
  running: number;
  /** What a delay of all of them counts. */
  weight: number;
  /** Tokens they have still to write, at depth 0, each by its request's weight. */
  weightedTokens: number;
  owedMs: number;
}

const NEIGHBOURS: Neighbours = { running: 0, weight: 0, weightedTokens: 0, owedMs: 0 };

function measureNeighbours(runner: Runner, rates: Rates, now: number): Neighbours {
  const sum = NEIGHBOURS;
  sum.running = sum.weight = sum.weightedTokens = sum.owedMs = 0;
  const speed = speedInBatch(rates.decode, runner.work.length);
  for (const work of runner.work) {
    sum.running += 1;
    sum.weight += work.delayWeight;
    sum.weightedTokens += work.delayWeight * tokensLeft(work, speed, now) * decodeDepthFactor(work.promptTokens);
    const owed = Math.min(work.prefillMs, work.firstTokenAt - now);
    if (owed > 0) sum.owedMs += owed;
  }
  return sum;
}

function tokensLeft(work: Work, tokensPerMs: number, now: number): number {
  const elapsed = Math.max(0, now - work.firstTokenAt - work.decodeHeldMs);
  const written = (elapsed * tokensPerMs) / decodeDepthFactor(work.promptTokens);
  return Math.max(LEAST_REMAINING * work.outputTokens, work.outputTokens - written);
}

/** The time until the slot is free that is left once those who already wait for this host have theirs. */
function waitForSlot(host: Host, now: number): number {
  const ends = (host.ends ??= endsOf(host));
  const { length } = ends;
  if (length === 0) return 0;
  const ahead = host.reserved;
  const turn = leftUntil(ends[ahead % length], now);
  return ahead < length ? turn : turn + Math.floor(ahead / length) * leftUntil(ends[length - 1], now);
}

/** Lists when the requests of a host are expected to end, the first first. */
function endsOf(host: Host): ExpectedEnd[] {
  const ends: ExpectedEnd[] = [];
  for (const { work } of host.leases.values()) {
    if (work === undefined) continue;
    const { runner, firstTokenAt, decodeHeldMs, outputTokens, promptTokens } = work;
    const decode = runner.speed.rates?.decode;
    const speed = decode === undefined ? 1 : speedInBatch(decode, runner.work.length);
    const writingMs = (outputTokens * decodeDepthFactor(promptTokens)) / speed;
    ends.push({ at: firstTokenAt + decodeHeldMs + writingMs, leastLeftMs: LEAST_REMAINING * writingMs });
  }
  return ends.sort((a, b) => a.at - b.at);
}

function leftUntil(end: ExpectedEnd | undefined, now: number): number {
  return end === undefined ? 0 : Math.max(end.leastLeftMs, end.at - now);
}
