// What scaling wants, as operators and autoscalers read it.
import type { ScaleModelView, ScaleView } from "../../wire/scale.ts";
import type { ScalePlan, Scaler } from "./scaler.ts";
import type { ModelPlan } from "./wanted.ts";

/** Describes the last evaluation. */
export function viewScale({ hosts, models }: ScalePlan, { settings }: Scaler): ScaleView {
  const { wanted, serving, leaving, reason, since, byHost, order } = hosts;
  return {
    hosts: { wanted, serving, min: settings.minHosts, max: settings.maxHosts, leaving, reason, since },
    host: Object.fromEntries([...byHost].map(([id, runs]) => [id, runs ? 1 : 0])),
    models: models.map(viewModel).sort((a, b) => b.wanted - a.wanted || (a.name < b.name ? -1 : 1)),
    order: order && { ...order },
  };
}

function viewModel({ model, wanted, loaded, onDisk, figures, reason }: ModelPlan): ScaleModelView {
  return {
    name: model,
    wanted,
    loaded,
    onDisk,
    requestsPerSecond: round(figures?.traffic.ratePerSecond ?? 0),
    serviceSeconds: figures === undefined ? 0 : round(figures.traffic.serviceSeconds),
    waitP95Ms: Math.round(figures?.observedWaitMs ?? 0),
    loadSeconds: figures?.loadSeconds === undefined ? undefined : round(figures.loadSeconds),
    reason,
  };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
