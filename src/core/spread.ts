// Free copies: a model that is asked for is loaded ahead of time on hosts with room for it, without anything having to leave.
// Without it one host would be packed while others idle cold: the first request on each would pay for the load. How many
// copies there must be, and what has to leave for them, is for `core/scale/copies.ts` to say.
import type { Effect } from "./events.ts";
import { isLeaving } from "./liveness.ts";
import { demandRate, footprintBytes, isLoading, roomBytes } from "./loads.ts";
import { runnerOf } from "./runners.ts";
import type { Fleet, FleetBeat, Host } from "./state.ts";

/** Asked for at least twice in two minutes. */
const LEAST_PER_MS = 1.5 / 120_000;
/** A model that is nowhere in memory is wanted most, but not beyond all measure. */
const LEAST_SPEED = 0.1;

/** Answers an order to load what is most wanted of what has room on a host that has just been heard. */
export function spreadTo(fleet: Fleet, host: Host, beat: FleetBeat, now: number): Effect[] {
  // Ollama loads one model at a time, and a load for nobody must not be in the way of one for somebody.
  const isBusy = (beat.loading?.length ?? 0) > 0 || isLoading(host, now);
  if (!fleet.settings.spreads || beat.backend !== "up" || isLeaving(host) || isBusy) return [];
  const wanted = mostWanted(fleet, host, now);
  if (wanted === undefined) return [];
  const { model, options } = wanted;
  runnerOf(fleet, host, model, options).orderedAt = now;
  const order = { type: "load", model, ...(options === "" ? {} : { runner: options }) } as const;
  return [{ type: "order", hostId: host.registration.id, order }];
}

function mostWanted(fleet: Fleet, host: Host, now: number): { model: string; options: string } | undefined {
  const room = roomBytes(host);
  let best: { model: string; options: string } | undefined;
  let most = 0;
  for (const [key, { model, options }] of fleet.demand) {
    const sizeBytes = host.models.get(model)?.sizeBytes;
    if (sizeBytes === undefined || host.loaded.has(model)) continue;
    const rate = demandRate(fleet, key, now);
    if (rate < LEAST_PER_MS || footprintBytes(fleet, host, model) > room) continue;
    const need = (rate * sizeBytes) / (LEAST_SPEED + speedFor(fleet, model));
    if (need <= most) continue;
    best = { model, options };
    most = need;
  }
  return best;
}

/** Adds up the speeds of the hosts that have a model in memory, in those of typical ones; each shared by all it has there. */
function speedFor(fleet: Fleet, model: string): number {
  const { typical } = fleet.speed;
  let sum = 0;
  for (const { loaded, speed } of fleet.hosts.values()) {
    if (!loaded.has(model)) continue;
    const known = speed.decode.samples > 0 && typical.decode.samples > 0;
    sum += (known ? speed.decode.value / typical.decode.value : 1) / loaded.size;
  }
  return sum;
}
