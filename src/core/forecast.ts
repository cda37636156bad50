// What a request would cost on a host, in ms, part by part: the rise of the total time of all requests, its own included.
import { decodeDepthFactor, prefillWork } from "./speed/depth.ts";
import { speedInBatch } from "./speed/decode-table.ts";
import { expectLength, shapeOf } from "./speed/output-length.ts";
import { modelSpeed, promptTokens, ratesOf } from "./speed/speeds.ts";
import type { Rates } from "./speed/speeds.ts";
import { loadAhead } from "./loads.ts";
import { matchedBytes, matchPrefixes } from "./prefixes.ts";
import { rateSubject, runnerOf } from "./runners.ts";
import type { LeaseRequest } from "../wire/lease.ts";
import type { Fleet, Host, Lease, Runner } from "./state.ts";

/** What a request needs, the same on every host. */
export interface Need {
  readonly request: LeaseRequest;
  readonly model: string;
  readonly shape: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly stamp: number;
  readonly now: number;
}

/** Everything in ms but `cached` (tokens). */
export interface Forecast {
  /** Until a slot is free. */
  readonly wait: number;
  readonly load: number;
  /** Reading that requests already there still need. */
  readonly owed: number;
  readonly prefill: number;
  readonly decode: number;
  /** What the requests already there lose. */
  readonly harm: number;
  readonly cached: number;
  /** All of it, the time until the first token weighted by whether somebody waits for it. */
  readonly total: number;
}

/** Somebody who watches waits for the first token; who gets the answer in one piece does not. */
const FIRST_TOKEN_WEIGHT = 1;
/** An answer that has become longer than expected goes on for this part of the expectation. */
const LEAST_REMAINING = 0.35;
/** The last token of a prompt is always read: its prediction is the first of the answer. */
const LEAST_READ = 1;

/** Prepares a request for being forecast on many hosts. */
export function needOf(fleet: Fleet, request: LeaseRequest, now: number): Need | undefined {
  const { model } = request;
  if (model === undefined) return undefined;
  const known = modelSpeed(fleet.speed, model);
  const shape = shapeOf(request);
  fleet.stamps += 1;
  matchPrefixes(fleet.prefixes, request, fleet.stamps);
  const outputTokens = request.kind === "embed" ? 0 : expectLength(known.lengths, shape, request.numPredict);
  const tokens = promptTokens(known, request.promptBytes);
  return { request, model, shape, promptTokens: tokens, outputTokens, stamp: fleet.stamps, now };
}

/** Forecasts a request on a host; `ahead` requests that wait are to have a slot there first. */
export function forecast(fleet: Fleet, host: Host, need: Need, free: boolean): Forecast {
  const { now, request } = need;
  const runner = runnerOf(fleet, host, need.model, request.runner);
  const rates = ratesOf(rateSubject(fleet, host, runner));
  const wait = free ? 0 : waitForSlot(host, runner, rates, now);
  const load = loadAhead(fleet, host, runner, now);
  const others = host.usedByModel.size - (host.usedByModel.has(need.model) ? 1 : 0);
  const share = 1 + others;
  const tokens = need.promptTokens;
  const cached = runner.resident ? cachedTokens(need, runner) : 0;
  const reading = prefillWork(Math.max(LEAST_READ, tokens - cached), cached) / rates.prefill;
  const prefill = (reading + runner.speed.readStart.value) * share;
  const neighbours = measureNeighbours(runner, rates, now);
  const batch = Math.max(1, Math.min(neighbours.running + 1, host.heard?.beat.parallel ?? 1));
  const depth = decodeDepthFactor(tokens);
  const decode = (need.outputTokens * depth * share) / speedInBatch(rates.decode, batch);
  const slowed = 1 / speedInBatch(rates.decode, batch) - 1 / speedInBatch(rates.decode, Math.max(1, batch - 1));
  const harm =
    neighbours.decoding * prefill + neighbours.tokensLeft * Math.max(0, slowed) + 0.5 * others * (prefill + decode);
  const owed = free ? neighbours.owedMs : 0;
  const weight = request.streaming ? 1 + FIRST_TOKEN_WEIGHT : 1;
  const total = weight * (wait + load + owed + prefill) + decode + harm;
  return { wait, load, owed, prefill, decode, harm, cached, total };
}

function cachedTokens(need: Need, runner: Runner): number {
  const bytes = matchedBytes(runner, need.stamp);
  if (bytes === 0) return 0;
  const share = Math.min(1, bytes / Math.max(1, need.request.promptBytes));
  return Math.min(need.promptTokens - LEAST_READ, need.promptTokens * share * runner.speed.hitTrust);
}

interface Neighbours {
  running: number;
  decoding: number;
  /** Tokens they have still to write, at depth 0. */
  tokensLeft: number;
  owedMs: number;
}

function measureNeighbours(runner: Runner, rates: Rates, now: number): Neighbours {
  const sum: Neighbours = { running: 0, decoding: 0, tokensLeft: 0, owedMs: 0 };
  const speed = speedInBatch(rates.decode, runner.leases.size);
  for (const { work } of runner.leases) {
    if (work === undefined) continue;
    sum.running += 1;
    sum.tokensLeft += tokensLeft(work, speed, now) * decodeDepthFactor(work.promptTokens);
    const owed = Math.min(work.prefillMs, work.firstTokenAt - now);
    if (owed > 0) sum.owedMs += owed;
    else sum.decoding += 1;
  }
  return sum;
}

function tokensLeft(work: NonNullable<Lease["work"]>, tokensPerMs: number, now: number): number {
  const elapsed = Math.max(0, now - work.firstTokenAt - work.decodeHeldMs);
  const written = (elapsed * tokensPerMs) / decodeDepthFactor(work.promptTokens);
  return Math.max(LEAST_REMAINING * work.outputTokens, work.outputTokens - written);
}

/** The time until the slot is free that is left once those who already wait for this host have theirs. */
function waitForSlot(host: Host, runner: Runner, rates: Rates, now: number): number {
  const speed = speedInBatch(rates.decode, Math.max(1, runner.leases.size));
  const ends: number[] = [];
  for (const lease of host.leases.values()) {
    const { work } = lease;
    if (work === undefined) continue;
    const own = work.runner === runner ? speed : speedInBatch(work.runner.speed.rates?.decode ?? rates.decode, 1);
    const left = tokensLeft(work, own, now) * decodeDepthFactor(work.promptTokens);
    ends.push(Math.max(0, work.firstTokenAt - now) + left / own);
  }
  if (ends.length === 0) return 0;
  ends.sort(ascending);
  const ahead = host.reserved;
  const turn = ends[ahead % ends.length] ?? 0;
  const rounds = Math.floor(ahead / ends.length);
  const longest = ends[ends.length - 1] ?? 0;
  return turn + rounds * longest;
}

function ascending(a: number, b: number): number {
  return a - b;
}
