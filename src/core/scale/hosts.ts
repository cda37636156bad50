// How many hosts are wanted and which of them: who is to start, who gets no more requests, who may be stopped.
import { parkHost } from "../hosts.ts";
import { servingBeat, statusOf } from "../liveness.ts";
import type { Fleet, Host } from "../state.ts";
import { figuresOf } from "./figures.ts";
import type { Figures } from "./figures.ts";
import type { Scaler } from "./scaler.ts";
import { describe, inUnitsOf, slotsFor, within } from "./size.ts";
import { follow } from "./steady.ts";
import type { Wish } from "./steady.ts";
import type { ModelPlan } from "./wanted.ts";
import { overdueByModel, servingHosts } from "./wanted.ts";

/** What whoever starts and stops hosts was last told. */
export interface StandingOrder {
  /** Rises with every change: the receiver acts on each once. */
  readonly id: number;
  readonly desired: number;
  /** Known hosts that are to start. */
  readonly start: readonly string[];
  /** How many hosts beside them are missing, which nobody has invited yet. */
  readonly create: number;
  /** MAC addresses of those to start, where they are known. */
  readonly macs: Readonly<Record<string, string>>;
  /** How many hosts were registered when it was given. */
  readonly known: number;
  /** Hosts without work that get none any more: these and no others may be stopped. */
  readonly stop: readonly string[];
  readonly reason: string;
  readonly since: number;
  readonly deadline: number;
}

export interface HostsPlan {
  readonly wanted: number;
  /** In service: alive, not drained by an operator, not about to leave. */
  readonly serving: number;
  /** Get no more requests and are to stop once they are idle. */
  readonly leaving: readonly string[];
  readonly reason: string;
  readonly since: number;
  /** Host to whether it is to run. */
  readonly byHost: ReadonlyMap<string, boolean>;
  /** The last that was given; undefined before the first. */
  readonly order?: StandingOrder | undefined;
}

/** Decides on hosts; changes which of them are parked. */
export function planHosts(scaler: Scaler, fleet: Fleet, models: readonly ModelPlan[], now: number): HostsPlan {
  const { settings } = scaler;
  const figures = figuresOf(scaler.demand.total, settings.windowMs, now);
  const wish = within(wantedHosts(scaler, figures, fleet, models), settings.minHosts, settings.maxHosts);
  keepWhatIsThere(scaler, fleet, now);
  noteUnable(fleet, now);
  const wanted = Math.min(settings.maxHosts, Math.max(settings.minHosts, follow(scaler.hosts, wish, now)));
  const slots = Math.max(1, Math.round(wanted * scaler.shape.slotsPerHost));
  const demand = describe(figures, slots, settings.targetWaitMs);
  const reason = wanted > wish.needed ? `${demand}; kept until fewer are surely enough` : demand;
  if (settings.steersHosts) park(scaler, fleet, wanted, now);
  const inService = servingHosts(fleet, now);
  const leaving = [...fleet.hosts.values()].filter((host) => host.parked);
  const order = settings.steersHosts ? renewOrder(scaler, fleet, wanted, reason) : undefined;
  return {
    wanted,
    serving: inService.length,
    leaving: leaving.map(idOf),
    reason,
    since: scaler.hosts.changedAt,
    byHost: byHost(fleet, inService, order, now),
    order,
  };
}

/** Hosts that run when the scaler begins are wanted until their demand has been seen for a while. */
function keepWhatIsThere(scaler: Scaler, fleet: Fleet, now: number): void {
  if (now - scaler.demand.total.startedAt >= scaler.settings.coolDownMs) return;
  scaler.hosts.level = Math.max(scaler.hosts.level, servingHosts(fleet, now).length);
}

/** The most of: slots for all requests together, the widest model's copies, room for all copies. */
function wantedHosts(scaler: Scaler, figures: Figures, fleet: Fleet, models: readonly ModelPlan[]): Wish {
  const { settings, shape } = scaler;
  const overdue = [...overdueByModel(scaler, fleet, scaler.evaluatedAt).values()].reduce(
    (sum, count) => sum + count,
    0,
  );
  const bySlots = inUnitsOf(shape.slotsPerHost, slotsFor(figures, overdue, settings.targetWaitMs));
  const byCopies = Math.max(0, ...models.map(({ wanted }) => wanted));
  const bytes = models.reduce((sum, { wanted, sizeBytes }) => sum + wanted * sizeBytes, 0);
  const byMemory = shape.memoryBytes === undefined ? 0 : Math.ceil(bytes / shape.memoryBytes);
  return within(bySlots, Math.max(byCopies, byMemory), Infinity);
}

/** Since when hosts that are heard cannot serve: their Ollama is down, or they are not trusted. */
function noteUnable(fleet: Fleet, now: number): void {
  for (const host of fleet.hosts.values()) {
    const isUnable = isUp(fleet, host, now) && !host.parked && servingBeat(fleet, host, now) === undefined;
    host.unableSince = isUnable ? (host.unableSince ?? now) : undefined;
  }
}

/** Unable to serve for as long as starting another may take: no more to be counted on. */
function isBroken({ settings }: Scaler, { unableSince }: Host, now: number): boolean {
  return unableSince !== undefined && now - unableSince >= settings.orderMs;
}

/** Takes back hosts that were to leave before others are started; parks those that are missed least. */
function park(scaler: Scaler, fleet: Fleet, wanted: number, now: number): void {
  const here = [...fleet.hosts.values()].filter((host) => isUp(fleet, host, now));
  for (const host of fleet.hosts.values()) if (host.parked && !isUp(fleet, host, now)) parkHost(fleet, host, false);
  const staying = here.filter((host) => !host.parked);
  const leaving = here.filter((host) => host.parked).sort((a, b) => b.leases.size - a.leases.size);
  for (const host of leaving.slice(0, Math.max(0, wanted - staying.length))) parkHost(fleet, host, false);
  const surplus = Math.max(0, staying.length - wanted);
  const isBad = (host: Host): number => Number(isBroken(scaler, host, now));
  const least = staying.sort((a, b) => isBad(b) - isBad(a) || byWorth(a, b));
  for (const host of least.slice(0, surplus)) parkHost(fleet, host, true);
}

/** Idle before busy, few models before many, newcomers before old hands. */
function byWorth(a: Host, b: Host): number {
  return (
    a.leases.size - b.leases.size ||
    a.loaded.size - b.loaded.size ||
    a.models.size - b.models.size ||
    b.registration.registeredAt - a.registration.registeredAt
  );
}

/** Hosts not heard yet may well be running, unless the last order was to have none. */
function isTooEarly(fleet: Fleet, before: StandingOrder | undefined, now: number): boolean {
  return now < fleet.createdAt + fleet.settings.warmUpMs && fleet.hosts.size > 0 && before?.desired !== 0;
}

interface HostNeeds {
  readonly desired: number;
  readonly start: readonly string[];
  readonly create: number;
  readonly stop: readonly string[];
}

/** The order as it stands; a new one where more is to be done than it says, or where its time has passed. */
function renewOrder(scaler: Scaler, fleet: Fleet, wanted: number, reason: string): StandingOrder | undefined {
  const now = scaler.evaluatedAt;
  const before = scaler.order;
  if (isTooEarly(fleet, before, now)) return before;
  const needs = needsOf(scaler, fleet, wanted, now);
  const idle = needs.start.length === 0 && needs.create === 0 && needs.stop.length === 0;
  if (before === undefined ? idle : stillStands(before, needs, fleet, now) && (idle || now < before.deadline))
    return before;
  const known = fleet.hosts.size;
  const macs = Object.fromEntries(
    needs.start.flatMap((hostId) => {
      const mac = fleet.hosts.get(hostId)?.registration.mac;
      return mac === undefined ? [] : [[hostId, mac]];
    }),
  );
  scaler.order = {
    id: (before?.id ?? 0) + 1,
    ...needs,
    known,
    macs,
    reason,
    since: now,
    deadline: now + scaler.settings.orderMs,
  };
  return scaler.order;
}

function needsOf(scaler: Scaler, fleet: Fleet, desired: number, now: number): HostNeeds {
  const hosts = [...fleet.hosts.values()].filter((host) => !host.drained);
  const up = hosts.filter((host) => isUp(fleet, host, now));
  const countedOn = up.filter((host) => !host.parked && !isBroken(scaler, host, now));
  const missing = Math.max(0, desired - countedOn.length);
  const asleep = hosts.filter((host) => !isUp(fleet, host, now)).sort((a, b) => byWorth(b, a));
  const start = asleep.slice(0, missing).map(idOf);
  const room = Math.max(0, (scaler.settings.maxMade ?? scaler.settings.maxHosts) - fleet.hosts.size);
  const stop = up.filter((host) => host.parked && !isAtWork(host)).map(idOf);
  return { desired, start, create: Math.min(room, missing - start.length), stop };
}

/** Serves requests, or does what holds no slot and is not leased, as taking an upload does. */
function isAtWork({ leases, heard }: Host): boolean {
  return leases.size > 0 || (heard?.beat.active.some(({ model }) => model === "") ?? false);
}

/** What has been done since takes nothing from an order; what is to be done beyond it, or no more, needs another. */
function stillStands(order: StandingOrder, needs: HostNeeds, fleet: Fleet, now: number): boolean {
  const done = (hostId: string): boolean => {
    const host = fleet.hosts.get(hostId);
    return host === undefined || !isUp(fleet, host, now);
  };
  return (
    order.desired === needs.desired &&
    needs.create <= order.create &&
    needs.start.every((id) => order.start.includes(id)) &&
    needs.stop.every((id) => order.stop.includes(id)) &&
    order.stop.every((id) => needs.stop.includes(id) || done(id))
  );
}

/** Alive, and not taken out by its operator: parked hosts are up until they are gone. */
function isUp(fleet: Fleet, host: Host, now: number): boolean {
  const status = statusOf(fleet, host, now);
  return !host.drained && host.heard?.beat.draining !== true && (status === "alive" || status === "suspect");
}

function byHost(
  fleet: Fleet,
  inService: readonly Host[],
  order: StandingOrder | undefined,
  now: number,
): Map<string, boolean> {
  const wanted = new Set([...inService.map(idOf), ...(order?.start ?? [])]);
  const mayStop = new Set(order?.stop);
  const rows = [...fleet.hosts.values()].map((host): [string, boolean] => {
    const id = idOf(host);
    const working = isUp(fleet, host, now) && !mayStop.has(id);
    return [id, wanted.has(id) || working];
  });
  return new Map(rows);
}

function idOf(host: Host): string {
  return host.registration.id;
}
