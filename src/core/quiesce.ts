// Turns for options: where every host is busy with other options of a model, one is let run empty for those who have waited.
import type { Field } from "./eligibility.ts";
import { runsOtherwise } from "./room.ts";
import { AGEING_MS } from "./tenants.ts";
import type { Fleet, Host, Waiting } from "./state.ts";

/** Answers may be long; who waited is gone by then, or the host is given back. */
const QUIESCED_MAX_MS = 60_000;

/** Keeps the host that will be empty first from other options, once a request has waited for ten seconds. */
export function quiesceFor(fleet: Fleet, { request, queuedAt }: Waiting, field: Field, now: number): void {
  const { model, runner } = request;
  if (model === undefined || now - queuedAt < AGEING_MS) return;
  let best: Host | undefined;
  for (const host of field.hosts) {
    if (host.quiesced?.model === model && host.quiesced.options === runner) return;
    if (host.quiesced !== undefined || !runsOtherwise(host, model, runner)) continue;
    if (best === undefined || lastEnd(host) < lastEnd(best)) best = host;
  }
  if (best === undefined) return;
  best.quiesced = { model, options: runner, until: now + QUIESCED_MAX_MS };
  best.changes += 1;
  fleet.quiesced.add(best);
}

/** Gives hosts back whose time is over. */
export function endQuiescence(fleet: Fleet, now: number): void {
  for (const host of fleet.quiesced) {
    if (host.quiesced !== undefined && host.quiesced.until > now) continue;
    release(fleet, host);
    fleet.touched.add(host);
  }
}

/** Ends the keeping of a host for others. */
export function release(fleet: Fleet, host: Host): void {
  host.quiesced = undefined;
  host.changes += 1;
  fleet.quiesced.delete(host);
}

function lastEnd(host: Host): number {
  let last = 0;
  for (const { work } of host.leases.values()) last = Math.max(last, work?.firstTokenAt ?? 0);
  return last;
}
