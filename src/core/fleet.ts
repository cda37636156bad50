// The fleet: a state machine that is told what happened and answers what is to be done. It decides everything.
import type { Effect, FleetEvent, StepContext } from "./events.ts";
import { recordHeartbeat } from "./heartbeats.ts";
import { drainHost, proveHost, registerHost, removeHost } from "./hosts.ts";
import { expireLeases, forgetTombstones, settleLease } from "./leases.ts";
import { forgetDemand } from "./loads.ts";
import { dequeue, enqueue, newQueue, refusal } from "./queue.ts";
import { drainQueue } from "./schedule.ts";
import { newFleetSpeed } from "./speed/speeds.ts";
import type { Fleet, FleetSettings } from "./state.ts";
import { buryDead, isDue } from "./waking.ts";

export type { Effect, FleetEvent, HostPast, StepContext } from "./events.ts";
export { canRegister } from "./hosts.ts";
export type { Fleet, FleetBeat, FleetModel, FleetRunning, FleetSettings } from "./state.ts";
export { viewFleet } from "./view.ts";
export { nextWakeAt } from "./waking.ts";

const LEASE_DEADLINE_MS = 30 * 60_000;
/** One heartbeat interval and its jitter: by then every living host has been heard. */
const WARM_UP_MS = 6_000;

/** Makes a fleet that knows nothing yet; the shell registers its hosts, and heartbeats bring back the rest. */
export function createFleet(settings: FleetSettings, now: number): Fleet {
  return {
    settings: {
      ...settings,
      policyOf: settings.policyOf ?? (() => undefined),
      tierOf: settings.tierOf ?? (() => 0),
      spreads: settings.spreads ?? true,
      leaseDeadlineMs: settings.leaseDeadlineMs ?? LEASE_DEADLINE_MS,
      warmUpMs: settings.warmUpMs ?? WARM_UP_MS,
      hostsMayCome: settings.hostsMayCome ?? false,
    },
    createdAt: now,
    steppedAt: now,
    hosts: new Map(),
    heard: new Set(),
    faltering: new Set(),
    quiesced: new Set(),
    leases: new Map(),
    queue: newQueue(),
    tombstones: new Map(),
    unsettled: new Map(),
    settled: [],
    lastChosen: new Map(),
    version: 0,
    touched: new Set(),
    fields: new Map(),
    drainedVersion: 0,
    tenants: new Map(),
    speed: newFleetSpeed(),
    prefixes: new Map(),
    stamps: 0,
    demand: new Map(),
    footprints: new Map(),
    ended: new Map(),
  };
}

/** Takes one event, changes the fleet in place and answers the effects in the order in which they are to be done. */
export function step(fleet: Fleet, event: FleetEvent, context: StepContext): Effect[] {
  const { now } = context;
  const due = event.type === "tick" || isDue(fleet, now);
  fleet.steppedAt = now;
  forgetTombstones(fleet, now);
  const effects = expireLeases(fleet, now);
  buryDead(fleet, now);
  return effects.concat(applyEvent(fleet, event, now), drainQueue(fleet, { event, due }, context));
}

function applyEvent(fleet: Fleet, event: FleetEvent, now: number): Effect[] {
  switch (event.type) {
    case "host-registered":
      registerHost(fleet, event.registration, event.past);
      return [];
    case "host-proven":
      proveHost(fleet, event.hostId, event.runId);
      return [];
    case "host-removed":
      removeHost(fleet, event.hostId);
      return [];
    case "host-drained":
      drainHost(fleet, event.hostId, event.drained);
      return [];
    case "heartbeat":
      return recordHeartbeat(fleet, event.hostId, event.beat, now);
    case "acquire":
      enqueue(fleet, event.request, event.leaseId, now);
      return [];
    case "settle":
      settleLease(fleet, event.leaseId, event.outcome, now);
      return [];
    case "cancel":
      return cancelRequest(fleet, event.requestId, now);
    case "model-unwanted":
      forgetDemand(fleet, event.model);
      return [];
    case "tick":
      return [];
  }
}

function cancelRequest(fleet: Fleet, requestId: string, now: number): Effect[] {
  if (dequeue(fleet, requestId)) {
    return [{ type: "refused", requestId, refusal: refusal(fleet, "cancelled", "the request was cancelled", now) }];
  }
  const cancelled = [...fleet.leases.values()].filter((lease) => lease.requestId === requestId);
  return cancelled.map(({ id: leaseId, hostId }): Effect => {
    settleLease(fleet, leaseId, { type: "client-left" }, now);
    return { type: "order", hostId, order: { type: "cancel", leaseId } };
  });
}
