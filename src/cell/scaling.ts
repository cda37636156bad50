// The scaler inside the cell: when it evaluates, what outlives the cell's memory, and who carries its orders out of it.
import type { Effect, Fleet, FleetEvent } from "../core/fleet.ts";
import { createScaler, evaluate, watch } from "../core/scale/scaler.ts";
import type { ModelRule, ScalePlan, ScaleSettings, Scaler } from "../core/scale/scaler.ts";
import { viewScale } from "../core/scale/view.ts";
import type { Order } from "../wire/heartbeat.ts";
import { matchesModelGlobs } from "../wire/model-name.ts";
import type { ScaleOrder, ScaleView } from "../wire/scale.ts";
import type { Settings } from "../wire/settings.ts";
import type { OrderStore } from "./order-store.ts";

/** Evaluations cost a walk over hosts and models; nothing of what they read changes faster. */
const SHORTEST_INTERVAL_MS = 250;

export interface ScalingDeps {
  readonly settings: Settings;
  readonly store: OrderStore;
  readonly give: (hostId: string, order: Order) => void;
  /** Called when there is a new order for whoever starts and stops hosts. */
  readonly onOrder: (order: ScaleOrder) => void;
}

export class Scaling {
  readonly #deps: ScalingDeps;
  readonly #fleet: Fleet;
  readonly #scaler: Scaler;
  readonly #intervalMs: number;
  #plan: ScalePlan | undefined;

  constructor(fleet: Fleet, deps: ScalingDeps, now: number) {
    this.#deps = deps;
    this.#fleet = fleet;
    this.#intervalMs = Math.max(SHORTEST_INTERVAL_MS, Math.min(5_000, deps.settings.HEARTBEAT_INTERVAL));
    this.#scaler = createScaler(scaleSettings(deps.settings), now, deps.store.read());
  }

  /** Learns from an event, and evaluates where it is time or where somebody waits for want of hosts. */
  take(event: FleetEvent, effects: readonly Effect[], now: number): void {
    watch(this.#scaler, this.#fleet, event, effects);
    const dueAt = this.#scaler.evaluatedAt + this.#intervalMs;
    if (now >= dueAt) this.#evaluate(now);
  }

  /** When the next evaluation is due, for a cell in which somebody waits. */
  nextAt(): number {
    return Math.max(0, this.#scaler.evaluatedAt) + this.#intervalMs;
  }

  view(now: number): ScaleView {
    return viewScale(this.#plan ?? this.#evaluate(now), this.#scaler);
  }

  #evaluate(now: number): ScalePlan {
    const before = this.#scaler.order?.id;
    const plan = evaluate(this.#scaler, this.#fleet, now);
    for (const { hostId, order } of plan.orders) this.#deps.give(hostId, order);
    const { order } = plan.hosts;
    if (order !== undefined && order.id !== before) {
      this.#deps.store.write(order);
      this.#deps.onOrder(order);
    }
    this.#plan = plan;
    return plan;
  }
}

function scaleSettings(settings: Settings): ScaleSettings {
  return {
    minHosts: Math.min(settings.MIN_INSTANCES, settings.MAX_INSTANCES),
    maxHosts: settings.MAX_INSTANCES,
    targetWaitMs: settings.SCALE_WAIT,
    windowMs: settings.SCALE_WINDOW,
    coolDownMs: settings.SCALE_COOLDOWN,
    orderMs: settings.SCALER_DEADLINE,
    steersHosts: settings.SCALER_URL !== "",
    ruleOf: rememberRules(settings),
  };
}

/** Most models whose rule is remembered: names come from clients. */
const REMEMBERED_MAX = 1_000;

function rememberRules(settings: Settings): (model: string) => ModelRule {
  const known = new Map<string, ModelRule>();
  return (model) => {
    const rule = known.get(model) ?? ruleFor(settings, model);
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(model, rule);
    return rule;
  };
}

function ruleFor({ MODEL_RULES, AUTO_PULL }: Settings, model: string): ModelRule {
  const rule = Object.entries(MODEL_RULES).find(([glob]) => matchesModelGlobs(model, [glob]))?.[1];
  const pull = rule?.pull ?? (AUTO_PULL.length > 0 && matchesModelGlobs(model, AUTO_PULL));
  if (rule === undefined) return { ...UNRULED, pull };
  return {
    pinned: rule.pinned,
    minCopies: rule.min,
    maxCopies: rule.max,
    pull,
    mayRunOn: (hostId) => matchesGlobs(hostId, rule.hosts),
    mayComeFrom: (hostId) => matchesGlobs(hostId, rule.from),
  };
}

const UNRULED: ModelRule = {
  pinned: false,
  minCopies: 0,
  maxCopies: 10_000,
  pull: false,
  mayRunOn: () => true,
  mayComeFrom: () => true,
};

/** `*` stands for any part of a host's id. */
function matchesGlobs(hostId: string, globs: readonly string[]): boolean {
  return globs.some((glob) => {
    const escaped = glob.toLowerCase().replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");
    return new RegExp(`^${escaped.replaceAll("*", ".*")}$`).test(hostId);
  });
}
