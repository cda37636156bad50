// How many more requests of a kind a host has room for: its slots, the model's, and the options the model runs with there.
import type { LeaseRequest } from "../wire/lease.ts";
import { freeSlots } from "./leases.ts";
import type { Host } from "./state.ts";

/** What of a request decides how many of its like a host has room for. */
type Asked = Pick<LeaseRequest, "kind" | "model" | "runner">;

/** The room of hosts, counted again only where something has changed since. */
export interface Rooms {
  readonly hosts: readonly Host[];
  /** Where each of them is in the list. */
  readonly places: ReadonlyMap<Host, number>;
  readonly asked: Asked;
  readonly counted: number[];
  /** The host's `changes` when that was. */
  readonly countedAt: number[];
}

/** Makes the rooms of hosts for requests that are alike. */
export function newRooms(hosts: readonly Host[], { kind, model, runner }: LeaseRequest): Rooms {
  const places = new Map(hosts.map((host, place) => [host, place]));
  const counted = hosts.map(() => 0);
  return { hosts, places, asked: { kind, model, runner }, counted, countedAt: hosts.map(() => -1) };
}

/** Answers the room of the host at a place in the list. */
export function roomAt({ hosts, asked, counted, countedAt }: Rooms, place: number): number {
  const host = hosts[place];
  if (host === undefined) return 0;
  if (countedAt[place] !== host.changes) {
    counted[place] = roomFor(host, asked);
    countedAt[place] = host.changes;
  }
  return counted[place] ?? 0;
}

/** Answers the room of a host; none if it is not in the list. */
export function roomOf(rooms: Rooms, host: Host): number {
  const place = rooms.places.get(host);
  return place === undefined ? 0 : roomAt(rooms, place);
}

/** Counts how many more such requests a host has room for. */
export function roomFor(host: Host, { kind, model, runner }: Asked): number {
  if (kind === "control") return 1;
  const { quiesced } = host;
  if (quiesced !== undefined && quiesced.model === model && quiesced.options !== runner) return 0;
  const free = freeSlots(host, model);
  return free > 0 && model !== undefined && runsOtherwise(host, model, runner) ? 0 : free;
}

/** Ollama would reload the model for other options, and for that wait until all that run on it are done. */
export function runsOtherwise(host: Host, model: string, options: string): boolean {
  if (!host.usedByModel.has(model)) return false;
  for (const { work } of host.leases.values()) {
    if (work !== undefined && work.runner.model === model && work.runner.options !== options) return true;
  }
  return false;
}
