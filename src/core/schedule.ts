// Late binding: when a host may have got room, those who wait for it are tried in order; whoever comes is tried at once.
import type { Effect, FleetEvent, StepContext } from "./events.ts";
import { judgeHosts } from "./eligibility.ts";
import { grant } from "./grant.ts";
import { keepsWaiting, place } from "./placement.ts";
import { servingBeat } from "./liveness.ts";
import type { Placement } from "./placement.ts";
import { endQuiescence, quiesceFor } from "./quiesce.ts";
import { dequeue, expired, hold, placeInQueue, positionOf, refusal } from "./queue.ts";
import { roomOf } from "./room.ts";
import type { Fleet, Host, Lane, Waiting } from "./state.ts";
import { Turns } from "./turns.ts";

/** Most requests tried in one step that go on waiting by choice: who is further behind waits for the next. */
const HELD_TRIES_MAX = 32;
/** Kinds of requests whose hosts are remembered. */
const FIELDS_MAX = 256;
/** How soon those who wait for a busy host by choice are tried again if nothing happens. */
const RETRY_HELD_MS = 500;

/** What a request is told at once that may not wait here, for another cell has room. */
const BUSY = { code: "cell_busy", detail: "no slot is free in this cell" } as const;

interface Occasion {
  readonly event: FleetEvent;
  /** Whether the mere passing of time has changed what waiting requests should be told. */
  readonly due: boolean;
}

/** Grants, refuses or keeps waiting requests after an event. */
export function drainQueue(fleet: Fleet, { event, due }: Occasion, context: StepContext): Effect[] {
  const effects: Effect[] = [];
  const { now } = context;
  endQuiescence(fleet, now);
  for (const waiting of expired(fleet, now)) {
    effects.push(refuse(fleet, waiting, whyInVain(fleet, now), now));
  }
  const newcomer = event.type === "acquire" ? fleet.queue.waiting.get(event.request.requestId) : undefined;
  const all = due || fleet.version !== fleet.drainedVersion;
  if (fleet.queue.waiting.size > 0 && (all || fleet.touched.size > 0)) {
    tryInTurn(fleet, all ? undefined : [...fleet.touched], context, effects);
  }
  fleet.touched.clear();
  fleet.drainedVersion = fleet.version;
  if (newcomer !== undefined && fleet.queue.waiting.has(newcomer.request.requestId)) {
    tryOne(fleet, newcomer, context, effects);
  }
  refuseOverflow(fleet, now, effects);
  fleet.retryHeldAt = fleet.queue.held > 0 ? now + RETRY_HELD_MS : undefined;
  return effects;
}

/** Tries those who may go to the hosts that were touched, or everybody, until nobody is left who could find room. */
function tryInTurn(fleet: Fleet, touched: readonly Host[] | undefined, context: StepContext, effects: Effect[]): void {
  const turns = new Turns(fleet, context.now, touched?.length === 1 ? touched[0] : undefined);
  let held = 0;
  for (let waiting = turns.next(); waiting !== undefined && held < HELD_TRIES_MAX; waiting = turns.next()) {
    const roomy = touched === undefined ? undefined : withRoom(fleet, waiting, touched, context.now);
    if (roomy?.length === 0) {
      quiesceFor(fleet, waiting, fieldOf(fleet, waiting.lane, waiting.request, context.now), context.now);
      turns.close(waiting.lane);
    } else if (roomy !== undefined && keepsWaiting(fleet, waiting, roomy, context.now)) {
      held += 1;
    } else {
      const placement = tryOne(fleet, waiting, context, effects);
      if (placement.type !== "wait") continue;
      // Nobody behind it in its lane finds room either, but for those who wait by choice.
      if (placement.held === undefined) turns.close(waiting.lane);
      else held += 1;
    }
  }
}

/** Lists those of the hosts that were touched that may take what waits in a lane. */
function withRoom(fleet: Fleet, { request, lane }: Waiting, touched: readonly Host[], now: number): Host[] {
  const { rooms } = fieldOf(fleet, lane, request, now);
  return touched.filter((host) => roomOf(rooms, host) > 0);
}

/** Answers the hosts a lane's requests may go to, judged anew where something has changed. */
function fieldOf(fleet: Fleet, lane: Lane, request: Waiting["request"], now: number) {
  const { fields } = fleet;
  const known = fields.get(lane.key);
  if (known !== undefined && known.version === fleet.version && now < known.validUntil) return known;
  const field = judgeHosts(fleet, request, now);
  if (fields.size >= FIELDS_MAX) fields.clear();
  fields.set(lane.key, field);
  return field;
}

function tryOne(fleet: Fleet, waiting: Waiting, context: StepContext, effects: Effect[]): Placement {
  hold(fleet.queue, waiting, undefined);
  const field = fieldOf(fleet, waiting.lane, waiting.request, context.now);
  const placement = place(fleet, waiting, field, context);
  switch (placement.type) {
    case "wait":
      if (placement.held === undefined) quiesceFor(fleet, waiting, field, context.now);
      if (waiting.request.mayWait === false) effects.push(refuse(fleet, waiting, BUSY, context.now));
      else
        hold(fleet.queue, waiting, placement.held === undefined ? undefined : { ...placement.held, at: context.now });
      break;
    case "refuse":
      effects.push(refuse(fleet, waiting, placement, context.now));
      break;
    case "host":
      waiting.flow.grantedAt = context.now;
      dequeue(fleet, waiting.request.requestId);
      effects.push(grant(fleet, waiting, placement, context.now));
      break;
  }
  return placement;
}

function refuse(
  fleet: Fleet,
  waiting: Waiting,
  { code, detail }: Pick<Extract<Placement, { type: "refuse" }>, "code" | "detail">,
  now: number,
): Effect {
  const { requestId } = waiting.request;
  const waited = code === "queue_timeout" || code === "queue_full";
  const queue = waited ? placeInQueue(fleet, positionOf(fleet.queue, waiting), now) : undefined;
  dequeue(fleet, requestId);
  const refused = refusal(fleet, code, detail, now);
  return { type: "refused", requestId, refusal: queue === undefined ? refused : { ...refused, queue } };
}

/** A wait for hosts that did not come ends in 503, one for a slot in 504. */
function whyInVain(fleet: Fleet, now: number): Pick<Extract<Placement, { type: "refuse" }>, "code" | "detail"> {
  const isEmpty =
    fleet.settings.hostsMayCome && ![...fleet.hosts.values()].some((host) => servingBeat(fleet, host, now));
  if (isEmpty) return { code: "no_host", detail: "no host has started in time" };
  return { code: "queue_timeout", detail: "no slot became free in time" };
}

function refuseOverflow(fleet: Fleet, now: number, effects: Effect[]): void {
  const surplus = fleet.queue.waiting.size - fleet.settings.queueLimit;
  if (surplus <= 0) return;
  const detail = "as many requests wait as the queue holds";
  for (let dropped = 0; dropped < surplus; dropped += 1) {
    const waiting = newestOfLargest(fleet);
    if (waiting === undefined) return;
    effects.push(refuse(fleet, waiting, { code: "queue_full", detail }, now));
  }
}

/** Who fills the queue makes room: the newest request of the tenant with the most, so that a flood drowns itself alone. */
function newestOfLargest(fleet: Fleet): Waiting | undefined {
  const byTenant = Map.groupBy(fleet.queue.waiting.values(), ({ request }) => request.principal.tenant);
  let largest: Waiting[] = [];
  for (const waiting of byTenant.values()) if (waiting.length >= largest.length) largest = waiting;
  return largest.at(-1);
}
