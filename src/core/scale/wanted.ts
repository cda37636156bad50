// How many copies of each model are wanted in memory, and what a typical host of the fleet offers.
import { servingBeat } from "../liveness.ts";
import { footprintBytes } from "../loads.ts";
import { slotsOf } from "../leases.ts";
import type { Fleet, Host } from "../state.ts";
import { figuresOf } from "./figures.ts";
import type { Figures } from "./figures.ts";
import type { Scaler } from "./scaler.ts";
import { describe, IDLE, inUnitsOf, slotsFor, within } from "./size.ts";
import { follow, steadyAt } from "./steady.ts";

/** What a typical host offers. */
export interface FleetShape {
  readonly slotsPerHost: number;
  /** Slots of one loaded model on one host. */
  readonly copySlots: number;
  readonly memoryBytes?: number | undefined;
}

export interface ModelPlan {
  readonly model: string;
  readonly wanted: number;
  /** Before the bounds of rules and fleet. */
  readonly slotsNeeded: number;
  readonly loaded: number;
  readonly onDisk: number;
  readonly sizeBytes: number;
  readonly figures?: Figures | undefined;
  readonly reason: string;
}

/** Hosts that serve now. */
export function servingHosts(fleet: Fleet, now: number): Host[] {
  return [...fleet.hosts.values()].filter((host) => servingBeat(fleet, host, now) !== undefined);
}

/** The mean of the hosts that serve; what was known before, while none does. */
export function fleetShape(fleet: Fleet, before: FleetShape, now: number): FleetShape {
  const hosts = servingHosts(fleet, now);
  if (hosts.length === 0) return before;
  const memory = hosts.flatMap(({ heard }) => heard?.beat.vramTotalBytes ?? []);
  return {
    slotsPerHost: mean(hosts.map(slotsOf)),
    copySlots: mean(hosts.map((host) => Math.min(slotsOf(host), host.heard?.beat.parallel ?? 1))),
    memoryBytes: memory.length === 0 ? before.memoryBytes : mean(memory),
  };
}

/** Plans every model that is asked for or that a rule keeps, if some host has it. */
export function wantedModels(scaler: Scaler, fleet: Fleet, now: number): ModelPlan[] {
  const waiting = overdueByModel(scaler, fleet, now);
  const known = knownModels(fleet);
  for (const model of scaler.models.keys()) if (!known.has(model)) scaler.models.delete(model);
  const plans: ModelPlan[] = [];
  for (const model of known) {
    const plan = planModel(scaler, fleet, { model, overdue: waiting.get(model) ?? 0 }, now);
    if (plan !== undefined) plans.push(plan);
  }
  return plans;
}

/** Requests that wait longer than wanted, by model. */
export function overdueByModel(scaler: Scaler, fleet: Fleet, now: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { request, queuedAt } of fleet.queue.waiting.values()) {
    if (now - queuedAt <= scaler.settings.targetWaitMs || request.model === undefined) continue;
    counts.set(request.model, (counts.get(request.model) ?? 0) + 1);
  }
  return counts;
}

interface Asked {
  readonly model: string;
  readonly overdue: number;
}

function planModel(scaler: Scaler, fleet: Fleet, { model, overdue }: Asked, now: number): ModelPlan | undefined {
  const { settings, demand, shape } = scaler;
  const rule = settings.ruleOf(model);
  const window = demand.byModel.get(model);
  const least = Math.max(rule.minCopies, rule.pinned ? 1 : 0);
  if (window === undefined && least === 0 && !scaler.models.has(model)) return undefined;
  const copies = copiesOf(fleet, model, now);
  const figures = window === undefined ? undefined : figuresOf(window, settings.windowMs, now);
  const slots = figures === undefined ? IDLE : slotsFor(figures, overdue, settings.targetWaitMs);
  const most = Math.max(least, Math.min(rule.maxCopies, settings.maxHosts));
  const wish = within(inUnitsOf(shape.copySlots, slots), least, most);
  const steady = scaler.models.get(model) ?? steadyAt(least, settings.coolDownMs, now);
  scaler.models.set(model, steady);
  const wanted = Math.min(most, Math.max(least, follow(steady, wish, now)));
  return {
    model,
    wanted,
    slotsNeeded: slots.needed,
    ...copies,
    figures,
    reason: reasonOf({ figures, wanted, needed: wish.needed, least }, scaler),
  };
}

interface Why {
  readonly figures: Figures | undefined;
  readonly wanted: number;
  readonly needed: number;
  readonly least: number;
}

function reasonOf({ figures, wanted, needed, least }: Why, { shape, settings }: Scaler): string {
  const demand =
    figures === undefined
      ? "no request in the window"
      : describe(figures, Math.max(1, Math.round(wanted * shape.copySlots)), settings.targetWaitMs);
  if (wanted > needed) return `${demand}; kept until fewer are surely enough`;
  return wanted === least && least > 0 ? `${demand}; the rule keeps ${least}` : demand;
}

function copiesOf(fleet: Fleet, model: string, now: number): Pick<ModelPlan, "loaded" | "onDisk" | "sizeBytes"> {
  const holders = servingHosts(fleet, now).filter((host) => host.models.has(model));
  const sizes = holders.map((host) => memoryNeed(fleet, host, model));
  const loaded = holders.filter((host) => host.loaded.has(model)).length;
  return { loaded, onDisk: holders.length, sizeBytes: Math.max(0, ...sizes) };
}

/** The memory a model takes on a host, or would take by what it takes elsewhere. */
export function memoryNeed(fleet: Fleet, host: Host, model: string): number {
  const running = host.heard?.beat.running.find(({ key }) => key === model);
  return running?.sizeBytes || footprintBytes(fleet, host, model);
}

function knownModels(fleet: Fleet): Set<string> {
  return new Set([...fleet.hosts.values()].flatMap((host) => [...host.models.keys()]));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
