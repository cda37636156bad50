// Taking a heartbeat: refuse what is old, then let the host's word replace what the fleet believed.
import type { Effect } from "./events.ts";
import { reconcileLeases, voidLeases } from "./leases.ts";
import { learnFinished } from "./finished.ts";
import { recordFootprints } from "./loads.ts";
import { deadAfterMs, isUnproven, servingBeat, statusOf } from "./liveness.ts";
import { reconcileRunners, unloadAll } from "./runners.ts";
import { noteRival } from "./rivals.ts";
import { spreadTo } from "./spread.ts";
import { probeSlots } from "./speed/slots.ts";
import type { Fleet, FleetBeat, FleetRunning, Host } from "./state.ts";

/** Enough to know a replay: a heartbeat's token lives for 30 s, in which no agent starts more often than this. */
const REMEMBERED_RUNS = 4;

/** Takes a heartbeat into the fleet, or says why not. */
export function recordHeartbeat(fleet: Fleet, hostId: string, beat: FleetBeat, now: number): Effect[] {
  const host = fleet.hosts.get(hostId);
  if (host === undefined) return [{ type: "heartbeat-refused", hostId, code: "unknown_host" }];
  if (isReplaced(fleet, host, beat, now)) noteRival(fleet, host, beat.runId, now);
  if (isStale(fleet, host, beat, now)) return [{ type: "heartbeat-refused", hostId, code: "stale_heartbeat" }];
  const first = host.heard === undefined;
  const before = host.heard;
  const wasServing = servingBeat(fleet, host, now) !== undefined;
  if (host.runs[0]?.id !== beat.runId) startAnew(fleet, host);
  rememberRun(host, beat);
  host.heard = { heardAt: now, beat };
  fleet.heard.delete(host);
  fleet.heard.add(host);
  if (beat.backend === "up") host.models = new Map(beat.models.map((model) => [model.key, model]));
  const resident = residentOf(host, beat);
  host.loaded = new Set(resident.map(({ key }) => key));
  if (!wasServing || before === undefined || isOther(before.beat, beat)) fleet.version += 1;
  learnFinished(fleet, host, beat, now);
  probeSlots(host.slots, now);
  const orders = reconcileLeases(fleet, host, beat, now);
  if (beat.backend === "up") reconcileRunners(fleet, host, resident);
  recordFootprints(fleet, beat.running);
  orders.push(...spreadTo(fleet, host, beat, now));
  host.changes += 1;
  fleet.touched.add(host);
  return [...orders, { type: "heartbeat-accepted", hostId, resync: first, unproven: isUnproven(host) }];
}

/**
 * A replay or a run that has been replaced. A replaced run that goes on after the current one has died is let in
 * again: otherwise one late heartbeat, heard first after a loss of memory, would lock out the living run for good.
 */
function isStale(fleet: Fleet, host: Host, beat: FleetBeat, now: number): boolean {
  const known = host.runs.find(({ id }) => id === beat.runId);
  if (known === undefined) return false;
  return beat.sequence <= known.sequence || isReplaced(fleet, host, beat, now);
}

/** A run that another has replaced, while that one lives. Of one known only from before a loss of memory, a while must pass. */
function isReplaced(fleet: Fleet, host: Host, { runId }: FleetBeat, now: number): boolean {
  if (host.runs[0]?.id === runId || !host.runs.some(({ id }) => id === runId)) return false;
  const status = statusOf(fleet, host, now);
  return status === "unheard" ? now < fleet.createdAt + deadAfterMs(fleet) : status !== "dead";
}

/** What is in memory as it is on disk: under a name that has been pulled anew Ollama loads the new file for the next request. */
function residentOf({ models }: Host, { running }: FleetBeat): FleetRunning[] {
  return running.filter(({ key, digest }) => (models.get(key)?.digest ?? digest) === digest);
}

function rememberRun(host: Host, { runId, sequence }: FleetBeat): void {
  const others = host.runs.filter(({ id }) => id !== runId);
  host.runs = [{ id: runId, sequence }, ...others].slice(0, REMEMBERED_RUNS);
}

/** Whatever ran has ended; Ollama may have restarted with its agent. */
function startAnew(fleet: Fleet, host: Host): void {
  fleet.version += 1;
  voidLeases(fleet, host);
  unloadAll(fleet, host);
  host.slots.limit = Infinity;
}

/** Tells whether a heartbeat says something new of which requests its host may take. */
function isOther(before: FleetBeat, beat: FleetBeat): boolean {
  if (
    before.draining !== beat.draining ||
    before.backend !== beat.backend ||
    before.models.length !== beat.models.length
  )
    return true;
  return beat.models.some((model, index) => {
    const old = before.models[index];
    if (old === undefined || old.key !== model.key || old.digest !== model.digest) return true;
    return old.modifiedAt !== model.modifiedAt || old.capabilities.join() !== model.capabilities.join();
  });
}
