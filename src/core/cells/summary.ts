// A cell in a few numbers: what each model could be given here, so that an edge can tell whether to ask.
import type { CellSummary, Room } from "../../wire/cell-summary.ts";
import { majorityDigest } from "../digests.ts";
import { backoffReason } from "../failures.ts";
import { freeSlots, slotsOf } from "../leases.ts";
import { servingBeat } from "../liveness.ts";
import type { Fleet, FleetModel } from "../state.ts";

type Counts = { -readonly [Key in keyof Room]: Room[Key] };

/** Summarizes a fleet at a time. */
export function summarize(fleet: Fleet, now: number): CellSummary {
  const any: Counts = { slots: 0, free: 0, waiting: fleet.queue.waiting.size };
  const models = new Map<string, Counts>();
  const roomOf = (model: string): Counts => {
    const known = models.get(model);
    if (known !== undefined) return known;
    const room: Counts = { slots: 0, free: 0, waiting: 0 };
    models.set(model, room);
    return room;
  };
  let unheard = 0;
  for (const host of fleet.hosts.values()) {
    if (host.heard === undefined) unheard += 1;
    const isServing = servingBeat(fleet, host, now) !== undefined;
    const canStart = isServing && backoffReason(host, now) === undefined;
    if (isServing) any.slots += slotsOf(host);
    if (canStart) any.free += freeSlots(host, undefined);
    for (const model of host.models.keys()) {
      const room = roomOf(model);
      if (isServing) room.slots += slotsOf(host);
      if (canStart) room.free += freeSlots(host, model);
    }
  }
  nameServed(fleet, models, now);
  for (const { request } of fleet.queue.waiting.values())
    if (request.model !== undefined) roomOf(request.model).waiting += 1;
  const warming = unheard > 0 && now < fleet.createdAt + fleet.settings.warmUpMs;
  return { hosts: fleet.hosts.size, warming, any, models: Object.fromEntries(models) };
}

/** Adds what is served under each name. */
function nameServed(fleet: Fleet, models: ReadonlyMap<string, Counts>, now: number): void {
  for (const [model, rows] of copiesOf(fleet, now)) {
    const room = models.get(model);
    if (room === undefined) continue;
    room.digest = majorityDigest(rows);
    room.copies = rows.filter(({ digest }) => digest === room.digest).length;
  }
}

/** Every model's copies on hosts that serve. */
function copiesOf(fleet: Fleet, now: number): Map<string, FleetModel[]> {
  const copies = new Map<string, FleetModel[]>();
  for (const host of fleet.hosts.values()) {
    if (servingBeat(fleet, host, now) === undefined) continue;
    for (const [model, copy] of host.models) {
      const known = copies.get(model);
      if (known === undefined) copies.set(model, [copy]);
      else known.push(copy);
    }
  }
  return copies;
}
