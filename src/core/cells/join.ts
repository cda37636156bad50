// Many cells as one fleet: what operators see, and what clients may list.
import type { CatalogModel, CatalogView, CellFleetView, UsageView } from "../../wire/cell-rpc.ts";
import type { CellSite } from "../../wire/cells.ts";
import type { FleetView, ModelConflict } from "../../wire/fleet-view.ts";
import type { RunningModel } from "../../wire/heartbeat.ts";
import { compareVersions, newestFirst } from "../catalog.ts";
import { descending, instantOf, mostHeld } from "../digests.ts";

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
    conflicts: joinConflicts(views.map(({ view }) => view)),
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

/** Those inside of cells, and those between cells that each serve one model under the name. */
function joinConflicts(views: readonly FleetView[]): ModelConflict[] {
  const within = views.flatMap(({ conflicts }) => conflicts);
  const told = new Set(within.map(({ name }) => name.toLowerCase()));
  const online = views.flatMap(({ hosts }) => hosts.filter((host) => host.status !== "dead" && host.backend === "up"));
  const copies = online.flatMap(({ id, pool, models }) =>
    models.map(({ name, digest }) => ({ id, pool, name, digest })),
  );
  const between = [...Map.groupBy(copies, ({ pool, name }) => `${pool} ${name.toLowerCase()}`).values()];
  return [
    ...within,
    ...between.flatMap((rows) => {
      const byDigest = [...Map.groupBy(rows, ({ digest }) => digest)].sort(([, a], [, b]) => b.length - a.length);
      const [[served] = [""]] = byDigest;
      const name = rows[0]?.name ?? "";
      if (byDigest.length < 2 || told.has(name.toLowerCase())) return [];
      return [
        { name, served, copies: byDigest.map(([digest, held]) => ({ digest, hosts: held.map(({ id }) => id) })) },
      ];
    }),
  ];
}

/**
 * Joins what cells offer, the nearest first: where they hold different models under a name, that of most hosts is listed.
 * Undefined where none of them said anything.
 */
export function joinCatalogs(views: readonly CatalogView[]): CatalogView | undefined {
  const [only] = views;
  if (views.length < 2) return only;
  const rows = Map.groupBy(
    views.flatMap((view) => view.models),
    ({ name }) => name.toLowerCase(),
  );
  const running = new Map<string, RunningModel>();
  for (const view of views) {
    for (const model of view.running) {
      const known = running.get(model.name.toLowerCase());
      const lasts = known === undefined || instantOf(model.expiresAt) > instantOf(known.expiresAt);
      if (lasts) running.set(model.name.toLowerCase(), model);
    }
  }
  const versions = views.map(({ version }) => version).filter((version) => version !== "");
  return {
    models: [...rows.values()].flatMap(joinRows).sort(newestFirst),
    running: [...running.values()].sort((a, b) => descending(instantOf(a.expiresAt), instantOf(b.expiresAt))),
    version: versions.sort(compareVersions)[0] ?? "",
    cloud: views.some(({ cloud }) => cloud),
  };
}

/** One row for those of a name: the nearest of the digest that is served, with what any cell can do with it. */
function joinRows(rows: readonly CatalogModel[]): CatalogModel[] {
  const digest = mostHeld(rows);
  const served = rows.filter((row) => row.digest === digest);
  const capabilities = [...new Set(served.flatMap((row) => row.capabilities))];
  return served.slice(0, 1).map((row) => ({ ...row, capabilities }));
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
