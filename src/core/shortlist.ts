// What a policy is shown: all hosts with room, or, where it looks ahead, those worth a forecast, the busy ones among them.
import type { LeaseRequest } from "../wire/lease.ts";
import type { Field } from "./eligibility.ts";
import { costOn, costOnBusy } from "./forecast.ts";
import type { Need } from "./forecast.ts";
import type { Candidate } from "./policy/policy.ts";
import { roomOf } from "./room.ts";
import type { Sorted } from "./sorted-hosts.ts";
import type { Fleet, Host } from "./state.ts";

/** The hosts that could take a request, and how they are now. */
export interface Scene {
  readonly field: Field;
  readonly sorted: Sorted;
}

export interface Shown {
  readonly hosts: readonly Host[];
  readonly candidates: readonly Candidate[];
  /** How many have room; these come first. */
  readonly free: number;
  /** Hosts that could have been shown. */
  readonly unlooked: number;
}

/** Most hosts looked at closely, beside the few that have read more of the prompt than all others. */
const FREE_LOOKED_AT = 64;
const BUSY_LOOKED_AT = 32;

/** Shows all hosts with room, without costs. */
export function showFree(fleet: Fleet, { sorted, field }: Scene, { model }: LeaseRequest): Shown {
  const hosts = withRoom(sorted);
  const candidates = hosts.map((host) => {
    const hostId = host.registration.id;
    const loaded = model !== undefined && host.loaded.has(model);
    const freeSlots = roomOf(field.rooms, host);
    return { hostId, freeSlots, active: host.slotsUsed, loaded, tier: fleet.settings.tierOf(hostId) };
  });
  return { hosts, candidates, free: hosts.length, unlooked: 0 };
}

/** Shows hosts with what the request would cost there; `close` are the ids of those that have read most of its prompt. */
export function showAhead(fleet: Fleet, { sorted, field }: Scene, need: Need, close: ReadonlySet<string>): Shown {
  const open = withRoom(sorted);
  const free = pick(open, need, { most: FREE_LOOKED_AT, close });
  const candidates = free.map((host) => {
    if (host.speed.prefill.samples === 0) host.doubted += 1;
    return describe(host, need, roomOf(field.rooms, host), costOn(fleet, host, need));
  });
  const busy = pick(sorted.full, need, { most: BUSY_LOOKED_AT, close });
  addBusy(fleet, busy, need, candidates);
  const unlooked = open.length + sorted.full.length - candidates.length;
  return { hosts: free.concat(busy), candidates, free: free.length, unlooked };
}

/** Suspect hosts are asked only if no other can take the request now. */
function withRoom({ free, suspect }: Sorted): readonly Host[] {
  return free.length > 0 ? free : suspect;
}

interface Worth {
  readonly most: number;
  readonly close: ReadonlySet<string>;
}

/** Picks of many hosts the fastest half, a few of the others, each time others, and those that have read the prompt. */
function pick(hosts: readonly Host[], { asked: { stamp } }: Need, { most, close }: Worth): readonly Host[] {
  if (hosts.length <= most) return hosts;
  const half = most / 2;
  const stride = Math.ceil((hosts.length - half) / half);
  return hosts.filter(
    ({ registration }, index) => index < half || (index + stamp) % stride === 0 || close.has(registration.id),
  );
}

function describe(host: Host, { model }: Need, freeSlots: number, cost: number | undefined): Candidate {
  return { hostId: host.registration.id, freeSlots, active: host.slotsUsed, loaded: host.loaded.has(model), cost };
}

/** Adds hosts without a free slot; without a cost where the wait alone costs more than the best free host. */
function addBusy(fleet: Fleet, busy: readonly Host[], need: Need, candidates: Candidate[]): void {
  let limit = Infinity;
  for (const { cost } of candidates) if (cost !== undefined && cost < limit) limit = cost;
  for (const host of busy) candidates.push(describe(host, need, 0, costOnBusy(fleet, host, need, limit)));
}
