// The fleet as operators see it: plain data, no keys.
import { isQuarantined } from "./rivals.ts";
import type { FleetView, HostView, ModelConflict } from "../wire/fleet-view.ts";
import { catalog } from "./catalog.ts";
import { slotsOf } from "./leases.ts";
import { isParting, isUnproven, statusOf } from "./liveness.ts";
import { placeInQueue } from "./queue.ts";
import type { Fleet, FleetBeat, Host } from "./state.ts";

const QUEUE_SHOWN = 100;

/** Describes hosts, queue and leases as they are at a time. */
export function viewFleet(fleet: Fleet, now: number): FleetView {
  return {
    hosts: [...fleet.hosts.values()].map((host) => viewHost(fleet, host, now)),
    conflicts: viewConflicts(fleet, now),
    queued: fleet.queue.waiting.size,
    queue: [...fleet.queue.waiting.values()].slice(0, QUEUE_SHOWN).map(({ request, queuedAt }, index) => ({
      requestId: request.requestId,
      model: request.model,
      waitedMs: now - queuedAt + (request.waitedMs ?? 0),
      ...placeInQueue(fleet, index + 1, now),
    })),
    activeLeases: fleet.leases.size,
    policy: fleet.settings.policy,
  };
}

/** Pools are judged apart, for a request never leaves its pool. */
function viewConflicts(fleet: Fleet, now: number): ModelConflict[] {
  const pools = new Set([...fleet.hosts.values()].map((host) => host.registration.pool));
  return [...pools].flatMap((pool) =>
    catalog(fleet, now, { pool }).conflicts.map(({ key, digests }) => ({
      name: nameOf(fleet, key),
      served: digests[0] ?? "",
      copies: digests.map((digest) => ({ digest, hosts: holdersOf(fleet, pool, key, digest) })),
    })),
  );
}

function nameOf(fleet: Fleet, key: string): string {
  for (const host of fleet.hosts.values()) {
    const copy = host.models.get(key);
    if (copy !== undefined) return copy.name;
  }
  return key;
}

function holdersOf(fleet: Fleet, pool: string, key: string, digest: string): string[] {
  return [...fleet.hosts.values()]
    .filter((host) => host.registration.pool === pool && host.models.get(key)?.digest === digest)
    .map((host) => host.registration.id)
    .sort();
}

function viewHost(fleet: Fleet, host: Host, now: number): HostView {
  const { id, url, pool, region } = host.registration;
  const { heard } = host;
  return {
    id,
    url,
    pool,
    region,
    status: statusOf(fleet, host, now),
    drained: host.drained,
    leaving: isParting(host),
    unproven: isUnproven(host),
    quarantined: isQuarantined(host, now),
    rivalHeardAgoMs: host.rivalHeardAt === undefined ? undefined : now - host.rivalHeardAt,
    backend: heard?.beat.backend ?? "unknown",
    ollamaVersion: heard?.beat.ollamaVersion ?? "",
    runId: heard?.beat.runId ?? "",
    slots: slotsOf(host),
    activeLeases: host.leases.size,
    lastHeartbeatAgoMs: heard === undefined ? undefined : now - heard.heardAt,
    models: [...host.models.values()].map(withoutKey),
    running: (heard?.beat.running ?? []).map(withoutKey),
    ...viewWork(heard?.beat),
  };
}

function viewWork(beat: FleetBeat | undefined): Pick<HostView, "loading" | "reportedLeases" | "forcedCancels"> {
  if (beat === undefined) return { loading: [], reportedLeases: 0, forcedCancels: 0 };
  const { loading = [], active, forcedCancels = 0 } = beat;
  return { loading, reportedLeases: active.length, forcedCancels };
}

function withoutKey<Row extends { readonly key: string }>({ key: _key, ...row }: Row): Omit<Row, "key"> {
  return row;
}
