// The scaler inside the cell: when it evaluates, what outlives the cell's memory, and who carries its orders out of it.
import type { Effect, Fleet, FleetEvent } from "../core/fleet.ts";
import { createScaler, evaluate, watch } from "../core/scale/scaler.ts";
import type { ModelRule, ScalePlan, ScaleSettings, Scaler } from "../core/scale/scaler.ts";
import { viewScale } from "../core/scale/view.ts";
import type { Order } from "../wire/heartbeat.ts";
import { matchesModelGlobs } from "../wire/model-name.ts";
import type { ScaleView } from "../wire/scale.ts";
import type { Settings } from "../wire/settings.ts";
import { Delivery } from "./delivery.ts";
import type { DeliveryDeps } from "./delivery.ts";
import type { OrderStore } from "./order-store.ts";

/** Evaluations cost a walk over hosts and models; nothing of what they read changes faster. */
const SHORTEST_INTERVAL_MS = 250;

export interface ScalingDeps {
  readonly settings: Settings;
  /** The cell's own name, where the runtime tells it. */
  readonly cell: string | undefined;
  readonly store: OrderStore;
  readonly give: (hostId: string, order: Order) => void;
  readonly post: DeliveryDeps["post"];
  readonly wakeAt: DeliveryDeps["wakeAt"];
  /** Keeps the cell until the work is done. */
  readonly keepAlive: (work: Promise<void>) => void;
}

export class Scaling {
  readonly #deps: ScalingDeps;
  readonly #fleet: Fleet;
  readonly #scaler: Scaler;
  readonly #intervalMs: number;
  readonly #delivery: Delivery;
  #plan: ScalePlan | undefined;

  constructor(fleet: Fleet, deps: ScalingDeps, now: number) {
    this.#deps = deps;
    this.#fleet = fleet;
    this.#intervalMs = Math.max(SHORTEST_INTERVAL_MS, Math.min(5_000, deps.settings.HEARTBEAT_INTERVAL));
    this.#delivery = new Delivery({ post: deps.post, wakeAt: deps.wakeAt, now: Date.now });
    this.#scaler = createScaler(scaleSettings(deps.settings, deps.cell), now, deps.store.read());
  }

  /** Learns from an event, and evaluates where it is time or where somebody waits for want of hosts. */
  take(event: FleetEvent, effects: readonly Effect[], now: number): void {
    watch(this.#scaler, this.#fleet, event, effects);
    const dueAt = this.#scaler.evaluatedAt + this.#intervalMs;
    if (now >= dueAt) this.#evaluate(now);
  }

  /** Whether the rules let a host be told to load a model: also where not scaling but routing wants it. */
  mayLoad(hostId: string, model: string): boolean {
    const rule = this.#scaler.settings.ruleOf(model);
    const host = this.#fleet.hosts.get(hostId);
    if (host?.parked === true || !rule.mayRunOn(hostId)) return false;
    const copies = [...this.#fleet.hosts.values()].filter((other) => other.loaded.has(model)).length;
    return copies < rule.maxCopies;
  }

  /** When the next evaluation is due, for a cell in which somebody waits. */
  nextAt(): number {
    return Math.max(0, this.#scaler.evaluatedAt) + this.#intervalMs;
  }

  view(now: number): ScaleView {
    const view = viewScale(this.#plan ?? this.#evaluate(now), this.#scaler);
    const { order } = view;
    return order === undefined ? view : { ...view, order: { ...order, delivery: this.#delivery.status } };
  }

  /** Posts again what has not arrived, also after the memory of it was lost. */
  async retryOrder(): Promise<void> {
    if (this.#deps.settings.SCALER_URL === "" || this.#deps.settings.SCALER_URL === "poll") return;
    const stored = this.#deps.store.read();
    await this.#delivery.retry(stored && { ...stored, cell: this.#deps.cell });
  }

  #evaluate(now: number): ScalePlan {
    const before = this.#scaler.order?.id;
    const plan = evaluate(this.#scaler, this.#fleet, now);
    for (const { hostId, order } of plan.orders) this.#deps.give(hostId, order);
    const { order } = plan.hosts;
    if (order !== undefined && order.id !== before) {
      this.#deps.store.write(order);
      for (const id of order.stop)
        this.#deps.store.keepModels(id, [...(this.#fleet.hosts.get(id)?.models.values() ?? [])]);
      if (this.#deps.settings.SCALER_URL !== "poll")
        this.#deps.keepAlive(this.#delivery.offer({ ...order, cell: this.#deps.cell }));
    }
    this.#plan = plan;
    return plan;
  }
}

function scaleSettings(settings: Settings, cell: string | undefined): ScaleSettings {
  return {
    minHosts: shareOf(Math.min(settings.MIN_INSTANCES, settings.MAX_INSTANCES), settings, cell),
    maxHosts: settings.MAX_INSTANCES,
    maxMade: shareOf(settings.MAX_INSTANCES, settings, cell),
    targetWaitMs: settings.SCALE_WAIT,
    windowMs: settings.SCALE_WINDOW,
    coolDownMs: settings.SCALE_COOLDOWN,
    orderMs: settings.SCALER_DEADLINE,
    steersHosts: settings.SCALER_URL !== "",
    ruleOf: rememberRules(settings),
  };
}

/** The cell's share of a number of hosts that is the whole Hive's; the first ones carry what is left over. */
function shareOf(hosts: number, { CELLS }: Settings, cell: string | undefined): number {
  const index = Math.max(
    0,
    CELLS.findIndex(({ name }) => name === cell),
  );
  return Math.floor(hosts / CELLS.length) + (index < hosts % CELLS.length ? 1 : 0);
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
