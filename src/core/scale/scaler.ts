// The scaler: a state machine beside the fleet's. It learns from what the fleet goes through, and at each evaluation says
// what is wanted: copies of models, hosts, and the orders that lead there.
import type { Effect, FleetEvent } from "../events.ts";
import { parkHost } from "../hosts.ts";
import type { Fleet } from "../state.ts";
import { planCopies } from "./copies.ts";
import type { HostOrder, Task } from "./copies.ts";
import { observe, openDemand, reconcile } from "./demand.ts";
import type { Demand } from "./demand.ts";
import { planHosts } from "./hosts.ts";
import type { HostsPlan, StandingOrder } from "./hosts.ts";
import type { ScaleSettings } from "./settings.ts";
import { steadyAt } from "./steady.ts";
import type { Steady } from "./steady.ts";
import { wakeOrders } from "./wake.ts";
import { fleetShape, wantedModels } from "./wanted.ts";
import type { FleetShape, ModelPlan } from "./wanted.ts";

export type { HostOrder } from "./copies.ts";
export type { HostsPlan, StandingOrder } from "./hosts.ts";
export type { ModelRule, ScaleSettings } from "./settings.ts";
export type { ModelPlan } from "./wanted.ts";

export interface Scaler {
  readonly settings: ScaleSettings;
  readonly demand: Demand;
  readonly hosts: Steady;
  readonly models: Map<string, Steady>;
  /** Loads, unloads and pulls under way: `host model` to what. */
  readonly tasks: Map<string, Task>;
  /** As last seen: what is known of hosts when none is there. */
  shape: FleetShape;
  order?: StandingOrder | undefined;
  evaluatedAt: number;
}

/** What one evaluation came to. */
export interface ScalePlan {
  readonly models: readonly ModelPlan[];
  readonly hosts: HostsPlan;
  /** To be handed to the hosts with their next heartbeats. */
  readonly orders: readonly HostOrder[];
}

/** A scaler that begins with a fleet; what was ordered before outlives the cell's memory. */
export function createScaler(settings: ScaleSettings, now: number, order?: StandingOrder): Scaler {
  const level = Math.max(settings.minHosts, order?.desired ?? 0);
  return {
    settings,
    demand: openDemand(settings.windowMs, now),
    hosts: steadyAt(level, settings.coolDownMs, now),
    models: new Map(),
    tasks: new Map(),
    shape: { slotsPerHost: 2, copySlots: 2 },
    order,
    evaluatedAt: -Infinity,
  };
}

/** Learns from an event the fleet has taken. */
export function watch(scaler: Scaler, fleet: Fleet, event: FleetEvent, effects: readonly Effect[]): void {
  observe(scaler.demand, fleet, { event, effects });
  if (event.type === "model-unwanted") scaler.models.delete(event.model);
  if (event.type !== "host-registered") return;
  // The cell has lost its memory: hosts that were told to stop must not get work before they do.
  const host = fleet.hosts.get(event.registration.id);
  if (host?.heard === undefined && scaler.order?.stop.includes(event.registration.id) === true && host !== undefined)
    parkHost(fleet, host, true);
}

/** Looks at demand and fleet as they are at a time, and says what is to be done; marks hosts that are to leave. */
export function evaluate(scaler: Scaler, fleet: Fleet, now: number): ScalePlan {
  scaler.evaluatedAt = now;
  reconcile(scaler.demand, fleet);
  scaler.shape = fleetShape(fleet, scaler.shape, now);
  const models = wantedModels(scaler, fleet, now);
  const before = scaler.order?.id;
  const hosts = planHosts(scaler, fleet, models, now);
  const { order } = hosts;
  const waking = order === undefined || order.id === before ? [] : wakeOrders(fleet, order, now);
  return { models, hosts, orders: [...planCopies(scaler, fleet, models, now), ...waking] };
}
