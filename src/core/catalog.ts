// The fleet as one Ollama: its models, its running models and its version, merged over the hosts that may serve.
import type { CatalogQuery } from "../wire/cell-rpc.ts";
import type { ModelOnDisk } from "../wire/heartbeat.ts";
import { descending, instantOf, rankDigests } from "./digests.ts";
import { inPool } from "./eligibility.ts";
import { servingBeat } from "./liveness.ts";
import type { Fleet, FleetModel, FleetRunning, Host } from "./state.ts";

export interface ModelConflict {
  readonly key: string;
  /** The digest that is served first. */
  readonly digests: readonly string[];
}

/** `copies`: hosts that hold it with this digest. */
type CatalogModel = FleetModel & { readonly copies: number };

export interface Catalog {
  /** One per key, newest first. */
  readonly models: readonly CatalogModel[];
  /** One per key, the one that expires last first. */
  readonly running: readonly FleetRunning[];
  /** Lowest version of an Ollama online, of the last ones known if none is; empty if none was ever told. */
  readonly version: string;
  /** Whether any host runs models in Ollama's cloud. */
  readonly cloud: boolean;
  /** Names under which hosts hold different models. */
  readonly conflicts: readonly ModelConflict[];
}

/** Tells whether a query names a host that its pool has, or none. */
export function isCovered(fleet: Fleet, { pool, hostId }: CatalogQuery): boolean {
  const host = hostId === undefined ? undefined : fleet.hosts.get(hostId);
  return hostId === undefined || (host !== undefined && inPool(pool, host));
}

/** Merges what the hosts of a pool (all by default), or one of them, offer at a time. */
export function catalog(fleet: Fleet, now: number, { pool, hostId, model }: CatalogQuery = { pool: "*" }): Catalog {
  const known = [...fleet.hosts.values()].filter(
    (host) => inPool(pool, host) && (hostId === undefined || host.registration.id === hostId),
  );
  const online = known.filter((host) => servingBeat(fleet, host, now) !== undefined);
  // Hosts that sleep until they are asked for offer what they had: else nobody could ask.
  const offering = online.length === 0 && fleet.settings.hostsMayCome ? known : online;
  const copies = Map.groupBy(
    offering.flatMap((host) => (model === undefined ? [...host.models.values()] : (host.models.get(model) ?? []))),
    ({ key }) => key,
  );
  const models: CatalogModel[] = [];
  const conflicts: ModelConflict[] = [];
  for (const [key, rows] of copies) {
    const digests = rankDigests(rows).map(({ digest }) => digest);
    if (digests.length > 1) conflicts.push({ key, digests });
    models.push(...mergeModel(rows.filter(({ digest }) => digest === digests[0])));
  }
  return {
    models: models.sort(newestFirst),
    running: mergeRunning(online),
    version: lowestVersion(online) ?? lowestVersion(known) ?? "",
    cloud: online.some((host) => host.heard?.beat.cloud === true),
    conflicts: conflicts.sort((a, b) => compareText(a.key, b.key)),
  };
}

/** The order of lists: the same whenever it is asked for, unlike Ollama's. */
export function newestFirst(a: ModelOnDisk, b: ModelOnDisk): number {
  return descending(instantOf(a.modifiedAt), instantOf(b.modifiedAt)) || compareText(a.name, b.name);
}

/** The newest copy stands for all; a capability one host reports is the model's. */
function mergeModel(rows: readonly FleetModel[]): CatalogModel[] {
  const capabilities = [...new Set(rows.flatMap((row) => row.capabilities))];
  const [newest] = [...rows].sort((a, b) => descending(instantOf(a.modifiedAt), instantOf(b.modifiedAt)));
  return newest === undefined ? [] : [{ ...newest, capabilities, copies: rows.length }];
}

function mergeRunning(hosts: readonly Host[]): FleetRunning[] {
  const rows = hosts
    .flatMap((host) => host.heard?.beat.running ?? [])
    .sort((a, b) => descending(instantOf(a.expiresAt), instantOf(b.expiresAt)) || compareText(a.name, b.name));
  const last = new Map<string, FleetRunning>();
  for (const row of rows) if (!last.has(row.key)) last.set(row.key, row);
  return [...last.values()];
}

function lowestVersion(hosts: readonly Host[]): string | undefined {
  const versions = hosts.map((host) => host.heard?.beat.ollamaVersion ?? "").filter((version) => version !== "");
  return versions.sort(compareVersions)[0];
}

/** Compares by semver's precedence of numbers; a pre-release (`0.9.0-rc1`) comes before its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(b.includes("-")) - Number(a.includes("-")) || compareText(a, b);
}

function numbersOf(version: string): number[] {
  const [release = ""] = version.split("-");
  return release.split(".").map((part) => Number.parseInt(part, 10) || 0);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
