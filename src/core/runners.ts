// The runners of a host: one for each model and set of options it was asked for, resident or not.
import { dropPrefixes, leaveSlot, newHeldPrefixes } from "./prefixes.ts";
import { newMeter, setLevel } from "./speed/meter.ts";
import { modelSpeed, newRunnerSpeed, ratesOf } from "./speed/speeds.ts";
import type { RateSubject, Rates } from "./speed/speeds.ts";
import { chargeBegun, chargeEnded } from "./tenants.ts";
import type { Fleet, FleetRunning, Host, Lease, Runner, Work } from "./state.ts";

/** Beyond so many the host's runners are forgotten from the oldest: clients may ask for any options. */
const REMEMBERED_PER_HOST = 256;

/** Names a runner within its host. */
export function runnerKey(model: string, options: string): string {
  return options === "" ? model : `${model} ${options}`;
}

/** Answers the runner of a host for a model with options; from now on if not before. */
export function runnerOf(fleet: Fleet, host: Host, model: string, options: string): Runner {
  const key = runnerKey(model, options);
  const known = host.runners.get(key);
  if (known !== undefined) return known;
  const runner: Runner = {
    hostId: host.registration.id,
    model,
    options,
    speed: newRunnerSpeed(),
    held: newHeldPrefixes(),
    work: [],
    concurrency: newMeter(fleet.steppedAt),
    resident: false,
    offloaded: false,
    contextLength: Number(/(?:^|,)num_ctx=(\d{1,9})(?:,|$)/.exec(options)?.[1] ?? 0),
  };
  host.runners.set(key, runner);
  if (host.runners.size > REMEMBERED_PER_HOST) forgetOldest(fleet, host);
  return runner;
}

/** Gathers what speaks of the speed of a runner. */
export function rateSubject(fleet: Fleet, host: Host, runner: Runner): RateSubject {
  return {
    fleet: fleet.speed,
    host: host.speed,
    model: modelSpeed(fleet.speed, runner.model),
    runner: runner.speed,
    modelBytes: host.models.get(runner.model)?.sizeBytes ?? 0,
  };
}

/** Answers the rates of a runner. */
export function runnerRates(fleet: Fleet, host: Host, runner: Runner): Rates {
  const { rates, version } = runner.speed;
  const known =
    rates !== undefined && rates.runnerVersion === version && (rates.own || rates.fleetVersion === fleet.speed.version);
  return known ? rates : ratesOf(rateSubject(fleet, host, runner));
}

/** Records that a lease begins on its runner: whoever writes there is held up by its reading. */
export function beginWork(fleet: Fleet, host: Host, lease: Lease, now: number): void {
  const { work } = lease;
  if (work === undefined) return;
  host.ends = undefined;
  chargeBegun(fleet, work);
  const { runner } = work;
  for (const other of runner.work) {
    if (other.firstTokenAt > now) other.prefillHeldMs += work.prefillMs / 2;
    else other.decodeHeldMs += work.prefillMs;
  }
  runner.work.push(work);
  setLevel(runner.concurrency, runner.work.length, now);
  setLevel(host.busyModels, host.usedByModel.size, now);
}

/** Records that a lease has ended on its runner; `read` if its prompt was read to the end, so that it stays there. */
export function endWork(fleet: Fleet, host: Host, lease: Lease, read: boolean): void {
  const now = fleet.steppedAt;
  const { work } = lease;
  if (work === undefined) return;
  host.ends = undefined;
  chargeEnded(fleet, work);
  const { runner, claim } = work;
  runner.work.splice(runner.work.indexOf(work), 1);
  if (claim !== undefined) {
    const tokens = read ? work.promptTokens + work.outputTokens : undefined;
    work.held = leaveSlot(fleet.prefixes, runner, claim, { tokens, now });
  }
  setLevel(runner.concurrency, runner.work.length, now);
  setLevel(host.busyModels, host.usedByModel.size, now);
  fleet.ended.set(lease.id, { work, endedAt: now });
}

/** Records that a runner has read a prompt: it is in memory, and so is the prompt. */
export function keepWork(fleet: Fleet, host: Host, work: Work, now: number): void {
  const { runner } = work;
  markResident(fleet, host, runner);
  runner.speed.residentAt = now;
}

/** Brings what is believed resident in line with what a host lists; what has gone has lost its prompts. */
export function reconcileRunners(fleet: Fleet, host: Host, running: readonly FleetRunning[]): void {
  const listed = new Map(running.map(({ key, contextLength }) => [key, contextLength]));
  for (const runner of host.runners.values()) {
    const contextLength = listed.get(runner.model);
    if (contextLength === undefined) {
      // A model that is still loading is not listed yet.
      if (runner.resident && runner.work.length === 0) unload(fleet, runner);
    } else if (runner.resident && !fits(runner, contextLength)) unload(fleet, runner);
    else if (runner.resident) runner.contextLength = contextLength;
  }
  for (const [model, contextLength] of listed) discoverResident(fleet, host, model, contextLength);
  for (const { key, sizeBytes, sizeVramBytes } of running) {
    const runner = residentOf(host, key);
    if (runner !== undefined) runner.offloaded = sizeVramBytes < WHOLLY * sizeBytes;
  }
}

/** What a host lists as in GPU memory is rounded. */
const WHOLLY = 0.97;

function residentOf(host: Host, model: string): Runner | undefined {
  for (const runner of host.runners.values()) if (runner.resident && runner.model === model) return runner;
  return undefined;
}

/** Somebody else has loaded a model, or this fleet has forgotten that it had. */
function discoverResident(fleet: Fleet, host: Host, model: string, contextLength: number): void {
  const own = [...host.runners.values()].filter((runner) => runner.model === model);
  // Resident, or about to be.
  if (own.some((runner) => runner.resident || runner.work.length > 0)) return;
  const found =
    own.find((runner) => runner.contextLength === contextLength && contextLength > 0) ??
    runnerOf(fleet, host, model, "");
  if (fits(found, contextLength)) found.resident = true;
}

function fits(runner: Runner, contextLength: number): boolean {
  return runner.contextLength === 0 || contextLength === 0 || runner.contextLength === contextLength;
}

/** Forgets what a host had in memory: it started anew. */
export function unloadAll(fleet: Fleet, host: Host): void {
  for (const runner of host.runners.values()) unload(fleet, runner);
}

/** Forgets the prompts of a host that leaves the fleet. */
export function dropRunners(fleet: Fleet, host: Host): void {
  for (const runner of host.runners.values()) dropPrefixes(fleet.prefixes, runner);
  host.runners.clear();
}

/** A model is in memory once, with one set of options. */
function markResident(fleet: Fleet, host: Host, runner: Runner): void {
  if (runner.resident) return;
  for (const other of host.runners.values()) {
    if (other !== runner && other.model === runner.model && other.resident) unload(fleet, other);
  }
  runner.resident = true;
}

function unload(fleet: Fleet, runner: Runner): void {
  runner.resident = false;
  dropPrefixes(fleet.prefixes, runner);
}

function forgetOldest(fleet: Fleet, host: Host): void {
  for (const [key, runner] of host.runners) {
    if (runner.resident || runner.work.length > 0) continue;
    dropPrefixes(fleet.prefixes, runner);
    host.runners.delete(key);
    return;
  }
}
