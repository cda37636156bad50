// Two agents with one identity: told from replaced runs that go on, and kept from requests while they take turns.
import type { Fleet, Host } from "./state.ts";

const FLIP_FLOP_WINDOW_MS = 60_000;
/** With the newest run they make three in the window: agents that replace each other again and again, not a clone started once. */
const REPLACED_HEARD_MIN = 2;

/** Notes that a replaced run goes on. A restart alone never does that: the run before it has ended. */
export function noteRival(fleet: Fleet, host: Host, runId: string, now: number): void {
  const before = isQuarantined(host, now);
  host.rivalHeardAt = now;
  const run = host.runs.find(({ id }) => id === runId);
  if (run !== undefined) run.rivalHeardAt = now;
  if (isQuarantined(host, now) !== before) fleet.version += 1;
}

/** Tells whether the host gets no requests because agents with its identity take turns in being the newest. */
export function isQuarantined(host: Host, now: number): boolean {
  // Nearly every host: this is asked for each request.
  return host.rivalHeardAt !== undefined && now < quarantinedUntil(host);
}

/** Answers when the quarantine ends by itself if nothing more is heard of rivals; -Infinity without one. */
export function quarantinedUntil({ runs }: Host): number {
  const heard = runs.slice(1).map(({ rivalHeardAt = -Infinity }) => rivalHeardAt);
  const deciding = heard.toSorted((a, b) => b - a)[REPLACED_HEARD_MIN - 1];
  return deciding === undefined ? -Infinity : deciding + FLIP_FLOP_WINDOW_MS;
}
