// What it takes until a model is in memory on a host: its own load, those before it, and what must leave for it.
import { runnerRates } from "./runners.ts";
import type { Fleet, Host, Runner } from "./state.ts";

/** A file stays in the page cache of the operating system for about so long. */
const PAGE_CACHE_MS = 30 * 60_000;
/** Unloading, and waiting until the memory is free again. */
const EVICT_MS = 1_000;
/** Ollama's own limit of models in memory per GPU (`OLLAMA_MAX_LOADED_MODELS` 0). */
const MOST_RESIDENT = 3;
/** A model must fit in this part of free memory, or something leaves first. */
const FIT = 0.8;
/** Weights, and about as much again for contexts and buffers of a small model. */
const FOOTPRINT = 1.25;
/** A model that is asked for within this time of its eviction is loaded again. */
const RELOAD_HORIZON_MS = 60_000;

/** Forecasts the ms until a runner is in memory, with what evicting another costs later. */
export function loadAhead(fleet: Fleet, host: Host, runner: Runner, now: number): number {
  if (runner.resident) return 0;
  const rates = runnerRates(fleet, host, runner);
  const begun = beganLoadingAt(runner, now);
  const ownMs = isInPageCache(runner, now) ? rates.warmLoadMs : rates.coldLoadMs;
  if (begun !== undefined) return Math.max(0.1 * ownMs, ownMs - (now - begun));
  return ownMs + otherLoads(host, now) + evictionCost(fleet, host, runner, now);
}

/** Tells whether a model's file was read so lately that the operating system still has it. */
export function isInPageCache({ speed }: Runner, now: number): boolean {
  return now - speed.residentAt < PAGE_CACHE_MS;
}

/** When the first request was sent that makes the runner load, or it was ordered to; undefined if it does not load. */
function beganLoadingAt(runner: Runner, now: number): number | undefined {
  const { orderedAt } = runner;
  if (orderedAt !== undefined && now - orderedAt < ORDERED_MS) return orderedAt;
  return runner.work[0]?.grantedAt;
}

/** Whether a host loads something, or this model: ordered to by either planner, or for requests that were sent there. */
export function isLoading({ runners }: Host, now: number, model?: string): boolean {
  for (const runner of runners.values()) {
    if (runner.resident || (model ?? runner.model) !== runner.model) continue;
    if (beganLoadingAt(runner, now) !== undefined) return true;
  }
  return false;
}

/** An order that was not carried out by then was lost, or could not be. */
const ORDERED_MS = 60_000;

/** Ollama loads one model at a time. */
function otherLoads(host: Host, now: number): number {
  let aheadMs = 0;
  for (const other of host.runners.values()) {
    if (other.resident) continue;
    const begun = beganLoadingAt(other, now);
    if (begun === undefined) continue;
    const ownMs = other.speed.rates?.coldLoadMs ?? 0;
    aheadMs += Math.max(0.1 * ownMs, ownMs - (now - begun));
  }
  return aheadMs;
}

/** Evicting takes a second, and later a load of what was evicted, as likely as it is asked for soon. */
function evictionCost(fleet: Fleet, host: Host, runner: Runner, now: number): number {
  const residents: Runner[] = [];
  for (const other of host.runners.values()) if (other.resident) residents.push(other);
  const same = residents.find(({ model }) => model === runner.model);
  if (same === undefined && !isCrowded(fleet, host, runner, residents.length)) return 0;
  let cheapest = Infinity;
  for (const victim of same === undefined ? residents : [same]) {
    cheapest = Math.min(cheapest, reloadCost(fleet, victim, now));
  }
  return EVICT_MS + (cheapest === Infinity ? 0 : cheapest);
}

function reloadCost(fleet: Fleet, victim: Runner, now: number): number {
  const perMs = demandRate(fleet, `${victim.model} ${victim.options}`, now);
  const likely = 1 - Math.exp(-perMs * RELOAD_HORIZON_MS);
  const drain = EVICT_MS * victim.work.length;
  return drain + likely * (victim.speed.rates?.warmLoadMs ?? 0);
}

function isCrowded(fleet: Fleet, host: Host, runner: Runner, residents: number): boolean {
  if (residents === 0) return false;
  if (residents >= MOST_RESIDENT) return true;
  return host.heard?.beat.vramFreeBytes !== undefined && footprintBytes(fleet, host, runner.model) > roomBytes(host);
}

/** Answers the memory that a model may take on a host without anything leaving; nothing where that is not known. */
export function roomBytes({ heard }: Host): number {
  if (heard === undefined || heard.beat.running.length >= MOST_RESIDENT) return 0;
  const { vramFreeBytes, running } = heard.beat;
  if (vramFreeBytes !== undefined) return FIT * vramFreeBytes;
  return running.length === 0 ? Infinity : 0;
}

/** Estimates the memory of a model with its contexts: as much as it takes elsewhere, else its file and a quarter. */
export function footprintBytes(fleet: Fleet, host: Host, model: string): number {
  const sizeBytes = host.models.get(model)?.sizeBytes ?? 0;
  return Math.max(sizeBytes, fleet.footprints.get(model) ?? sizeBytes * FOOTPRINT);
}

/** A runner partly outside GPU memory is 5-10 times slower. */
const OFFLOAD_SLOWNESS = 7;

/** Tells how many times slower than its host a runner is that was never measured: where it does not fit into GPU memory. */
export function expectedSlowness(fleet: Fleet, host: Host, runner: Runner): number {
  if (runner.resident) return runner.offloaded ? OFFLOAD_SLOWNESS : 1;
  const total = host.heard?.beat.vramTotalBytes;
  return total !== undefined && footprintBytes(fleet, host, runner.model) > total ? OFFLOAD_SLOWNESS : 1;
}

/** Remembers what models take in memory, from what a host lists. */
export function recordFootprints(fleet: Fleet, running: readonly { key: string; sizeBytes: number }[]): void {
  for (const { key, sizeBytes } of running) if (sizeBytes > 0) fleet.footprints.set(key, sizeBytes);
}

const DEMAND_MS = 120_000;

/** Answers how often a model with options is asked for, per ms. */
export function demandRate(fleet: Fleet, key: string, now: number): number {
  const asked = fleet.demand.get(key);
  return asked === undefined ? 0 : asked.rate * Math.exp(-(now - asked.at) / DEMAND_MS);
}

/** Answers the runner options a model is asked for most; a copy with others would only be loaded anew. */
export function mostAskedOptions(fleet: Fleet, model: string, now: number): string {
  let most = { options: "", rate: 0 };
  for (const [key, asked] of fleet.demand) {
    if (asked.model !== model) continue;
    const rate = demandRate(fleet, key, now);
    if (rate > most.rate) most = { options: asked.options, rate };
  }
  if (most.rate > 0) return most.options;
  for (const { request } of fleet.queue.waiting.values()) if (request.model === model) return request.runner;
  return "";
}

/** Records that a model with options was asked for. */
export function recordDemand(fleet: Fleet, model: string, options: string, now: number): void {
  const key = `${model} ${options}`;
  const known = fleet.demand.get(key) ?? { model, options, rate: 0, at: now };
  known.rate = known.rate * Math.exp(-(now - known.at) / DEMAND_MS) + 1 / DEMAND_MS;
  known.at = now;
  fleet.demand.delete(key);
  fleet.demand.set(key, known);
  if (fleet.demand.size <= MOST_DEMANDS) return;
  const oldest = fleet.demand.keys().next();
  if (!oldest.done) fleet.demand.delete(oldest.value);
}

const MOST_DEMANDS = 1_000;

/** Forgets that a model was asked for, with whatever options. */
export function forgetDemand(fleet: Fleet, model: string): void {
  for (const [key, asked] of fleet.demand) if (asked.model === model) fleet.demand.delete(key);
}
