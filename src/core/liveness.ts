// Whether a host is there: judged by the age of its last heartbeat and by what happened on its data path.
import type { HostStatus } from "../wire/fleet-view.ts";
import { isQuarantined } from "./rivals.ts";
import type { Fleet, FleetBeat, Host } from "./state.ts";

/** Two lost heartbeats and some delay: 12 s at an interval of 5 s. */
const SUSPECT_INTERVALS = 2.4;
/** Three lost heartbeats and a late fourth: 20 s at an interval of 5 s. */
const DEAD_INTERVALS = 4;

/** Tells at what age of its last heartbeat a host counts as dead, ms. */
export function deadAfterMs(fleet: Fleet): number {
  return DEAD_INTERVALS * fleet.settings.heartbeatIntervalMs;
}

/** Judges a host: suspect also while its data path has failed and nothing has been served since. */
export function statusOf(fleet: Fleet, host: Host, now: number): HostStatus {
  if (host.heard === undefined) return "unheard";
  const ageMs = now - host.heard.heardAt;
  if (ageMs >= deadAfterMs(fleet)) return "dead";
  if (ageMs >= SUSPECT_INTERVALS * fleet.settings.heartbeatIntervalMs) return "suspect";
  return host.failure === undefined ? "alive" : "suspect";
}

/** Tells whether a host gets no new leases: its operator, scale-in or its own agent takes it out. */
export function isLeaving(host: Host): boolean {
  return host.drained || isParting(host);
}

/** Tells whether scale-in or the host's own agent is taking it out. */
export function isParting(host: Host): boolean {
  return host.parked || host.heard?.beat.draining === true;
}

/** Tells whether nobody has shown yet that the host's hostname leads to the agent that is heard. */
export function isUnproven({ registration, runs, provenRun }: Host): boolean {
  return registration.guarded === true && (runs[0] === undefined || provenRun !== runs[0].id);
}

/** Answers the last heartbeat of a host that may serve: heard, proven, not in quarantine, not dead, not drained, its Ollama up. */
export function servingBeat(fleet: Fleet, host: Host, now: number): FleetBeat | undefined {
  const status = statusOf(fleet, host, now);
  if (status === "unheard" || status === "dead" || isLeaving(host)) return undefined;
  if (isUnproven(host) || isQuarantined(host, now)) return undefined;
  return host.heard?.beat.backend === "up" ? host.heard.beat : undefined;
}

/** Tells whether a host that is not dead is asked only where no other can take a request. */
export function isSuspect(fleet: Fleet, host: Host, now: number): boolean {
  return statusOf(fleet, host, now) !== "alive";
}
