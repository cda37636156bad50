// Which hosts there are: registered, drained, removed.
import type { HostRegistration } from "../wire/host.ts";
import type { HostPast } from "./events.ts";
import { voidLeases } from "./leases.ts";
import { dropRunners } from "./runners.ts";
import { newMeter } from "./speed/meter.ts";
import { newSlotsInferred } from "./speed/slots.ts";
import { newHostSpeed } from "./speed/speeds.ts";
import type { Fleet, Host } from "./state.ts";

/** Tells whether a host may be registered: it is already, or there is room for one more. */
export function canRegister(fleet: Fleet, hostId: string): boolean {
  return fleet.hosts.has(hostId) || fleet.hosts.size < fleet.settings.maxInstances;
}

/** Adds a host; one that registers again under new keys starts anew, with the same keys it keeps its state. */
export function registerHost(fleet: Fleet, registration: HostRegistration, past?: HostPast): void {
  fleet.version += 1;
  const known = fleet.hosts.get(registration.id);
  if (known !== undefined && known.registration.signingKey.x === registration.signingKey.x) {
    known.registration = registration;
    known.drained = registration.drained;
    // The address may be another one.
    known.provenRun = undefined;
    return;
  }
  removeHost(fleet, registration.id);
  const host = newHost(registration, fleet.steppedAt);
  host.runs = (past?.runs ?? []).map((id) => ({ id, sequence: -1 }));
  host.provenRun = past?.provenRun;
  host.models = new Map((past?.models ?? []).map((model) => [model.key, model]));
  fleet.hosts.set(registration.id, host);
}

/** Records that the hostname of a host leads to the agent of this run. */
export function proveHost(fleet: Fleet, hostId: string, runId: string): void {
  const host = fleet.hosts.get(hostId);
  if (host === undefined || host.runs[0]?.id !== runId) return;
  host.provenRun = runId;
  fleet.version += 1;
  fleet.touched.add(host);
}

/** Removes a host with its leases and all that is known of it. */
export function removeHost(fleet: Fleet, hostId: string): void {
  const host = fleet.hosts.get(hostId);
  if (host === undefined) return;
  voidLeases(fleet, host);
  dropRunners(fleet, host);
  fleet.hosts.delete(hostId);
  for (const some of [fleet.heard, fleet.faltering, fleet.quiesced, fleet.touched]) some.delete(host);
  fleet.version += 1;
}

/** Sets whether a host gets new leases; those it has go on. */
export function drainHost(fleet: Fleet, hostId: string, drained: boolean): void {
  const host = fleet.hosts.get(hostId);
  if (host === undefined) return;
  host.drained = drained;
  fleet.version += 1;
}

/** Sets whether scale-in is taking a host out: it gets no new leases, and those it has go on. */
export function parkHost(fleet: Fleet, host: Host, parked: boolean): void {
  if (host.parked === parked) return;
  host.parked = parked;
  fleet.version += 1;
}

function newHost(registration: HostRegistration, now: number): Host {
  return {
    registration,
    drained: registration.drained,
    parked: false,
    runs: [],
    models: new Map(),
    loaded: new Set(),
    leases: new Map(),
    slotsUsed: 0,
    changes: 0,
    usedByModel: new Map(),
    refusedUntil: 0,
    errorsInRow: 0,
    runners: new Map(),
    speed: newHostSpeed(),
    slots: newSlotsInferred(),
    busyModels: newMeter(now),
    reserved: 0,
    doubted: 0,
  };
}
