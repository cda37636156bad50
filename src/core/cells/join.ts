// Many cells as one fleet: what operators see, and what clients may list.
import type { CatalogView, CellFleetView, UsageView } from "../../wire/cell-rpc.ts";
import type { CellSite } from "../../wire/cells.ts";
import type { FleetView } from "../../wire/fleet-view.ts";
import type { ModelOnDisk, RunningModel } from "../../wire/heartbeat.ts";
import { compareVersions, newestFirst } from "../catalog.ts";
import { descending, instantOf } from "../digests.ts";

/** A cell, and what it said; undefined for one that could not be asked. */
export interface Told<View> {
  readonly site: CellSite;
  readonly view: View | undefined;
}

const QUEUE_SHOWN = 100;
const RECENT_SHOWN = 20;

/** Joins the views of cells; a cell that did not answer is named as such. */
export function joinFleets(told: readonly Told<CellFleetView>[]): FleetView {
  const views = told.flatMap(({ site, view }) => (view === undefined ? [] : [{ site, view }]));
  const sum = (pick: (view: FleetView) => number) => views.reduce((total, { view }) => total + pick(view), 0);
  return {
    hosts: views.flatMap(({ site, view }) => view.hosts.map((host) => ({ ...host, cell: site.name }))),
    conflicts: views.flatMap(({ view }) => view.conflicts),
    queued: sum(({ queued }) => queued),
    queue: views
      .flatMap(({ view }) => view.queue)
      .sort((a, b) => b.waitedMs - a.waitedMs)
      .slice(0, QUEUE_SHOWN),
    activeLeases: sum(({ activeLeases }) => activeLeases),
    policy: views[0]?.view.policy ?? "",
    recent: views
      .flatMap(({ view }) => view.recent ?? [])
      // What was sent on stands in the log of the cell that took it.
      .filter(({ outcome }) => outcome !== "cell_busy")
      .sort((a, b) => b.cameAt - a.cameAt)
      .slice(0, RECENT_SHOWN),
    cells: told.map(({ site, view }) => ({
      name: site.name,
      pool: site.pool,
      region: site.region,
      reachable: view !== undefined,
      hosts: view?.hosts.length ?? 0,
      queued: view?.queued ?? 0,
      activeLeases: view?.activeLeases ?? 0,
      calls: view?.calls,
    })),
  };
}

/**
 * Joins what cells offer, the nearest first: where they hold different models under a name, the nearest's is listed.
 * Undefined where none of them said anything.
 */
export function joinCatalogs(views: readonly CatalogView[]): CatalogView | undefined {
  const [only] = views;
  if (views.length < 2) return only;
  const models = new Map<string, ModelOnDisk>();
  const running = new Map<string, RunningModel>();
  for (const view of views) {
    for (const model of view.models) {
      const key = model.name.toLowerCase();
      const known = models.get(key);
      models.set(key, known === undefined ? model : withCapabilities(known, model));
    }
    for (const model of view.running) {
      const known = running.get(model.name.toLowerCase());
      const lasts = known === undefined || instantOf(model.expiresAt) > instantOf(known.expiresAt);
      if (lasts) running.set(model.name.toLowerCase(), model);
    }
  }
  const versions = views.map(({ version }) => version).filter((version) => version !== "");
  return {
    models: [...models.values()].sort(newestFirst),
    running: [...running.values()].sort((a, b) => descending(instantOf(a.expiresAt), instantOf(b.expiresAt))),
    version: versions.sort(compareVersions)[0] ?? "",
    cloud: views.some(({ cloud }) => cloud),
  };
}

function withCapabilities(model: ModelOnDisk, other: ModelOnDisk): ModelOnDisk {
  if (model.digest !== other.digest) return model;
  return { ...model, capabilities: [...new Set([...model.capabilities, ...other.capabilities])] };
}

/** Adds up what tenants used in each cell. */
export function joinUsage(parts: readonly (readonly UsageView[])[]): UsageView[] {
  const joined = new Map<string, UsageView>();
  for (const row of parts.flat()) {
    const key = JSON.stringify([row.tenant, row.day, row.model]);
    const known = joined.get(key);
    joined.set(key, known === undefined ? row : addUsage(known, row));
  }
  return [...joined.values()].sort((a, b) => Number(a.day < b.day) - Number(a.day > b.day));
}

function addUsage(a: UsageView, b: UsageView): UsageView {
  return {
    ...a,
    requests: a.requests + b.requests,
    promptTokens: a.promptTokens + b.promptTokens,
    outputTokens: a.outputTokens + b.outputTokens,
  };
}
