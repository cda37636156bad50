// Where work on models is done: at every host that has one, at the best for one more, or always at the same for who builds.
import type { ErrorCode } from "../wire/errors.ts";
import type { WorkQuery } from "../wire/model-work.ts";
import type { Result } from "../wire/result.ts";
import { majorityDigest } from "./digests.ts";
import { inPool } from "./eligibility.ts";
import { freeSlots } from "./leases.ts";
import { isLeaving, isUnproven, statusOf } from "./liveness.ts";
import type { Fleet, FleetModel, Host } from "./state.ts";

export interface WorkHosts {
  readonly hosts: readonly Host[];
  /** Hosts that have the model, too, and cannot be reached. */
  readonly offline: readonly Host[];
}

type Chosen = Result<WorkHosts, { readonly code: ErrorCode; readonly detail: string }>;

/** Chooses the hosts for work on a model, or says why there are none. */
export function chooseWorkHosts(fleet: Fleet, query: WorkQuery, now: number): Chosen {
  const known = [...fleet.hosts.values()].filter((host) => inPool(query.pool, host));
  const online = known.filter((host) => isReachable(fleet, host, now));
  if (query.hosts !== undefined) return chooseNamed(known, online, query.hosts);
  if (online.length === 0) return refuse("no_host", "no host is online");
  const offline = known.filter((host) => !online.includes(host) && hasModel(host, query));
  const hosts = choose(fleet, query, online, now);
  if (hosts.length > 0) return checkCopies(hosts, query, offline);
  if (offline.length > 0) return refuse("model_offline", "every host that has the model is offline");
  // A fleet that has just begun does not know yet what its hosts have.
  const isUnsure = now < fleet.createdAt + fleet.settings.warmUpMs && known.some(({ heard }) => heard === undefined);
  return isUnsure
    ? refuse("no_host", "not every host has been heard yet")
    : refuse("unknown_model", "no host has the model");
}

/** A drained host takes no requests, but its models can be managed; one whose address is not proven gets nothing. */
function isReachable(fleet: Fleet, host: Host, now: number): boolean {
  return host.heard?.beat.backend === "up" && statusOf(fleet, host, now) !== "dead" && !isUnproven(host);
}

function chooseNamed(known: readonly Host[], online: readonly Host[], wanted: readonly string[]): Chosen {
  const hosts: Host[] = [];
  for (const id of wanted) {
    const host = known.find(({ registration }) => registration.id === id);
    if (host === undefined) return refuse("unknown_host", `no such host: ${id}`);
    if (!online.includes(host)) return refuse("no_host", `host ${id} is offline`);
    if (!hosts.includes(host)) hosts.push(host);
  }
  return { ok: true, value: { hosts, offline: [] } };
}

function choose(fleet: Fleet, query: WorkQuery, online: readonly Host[], now: number): readonly Host[] {
  const holders = online.filter((host) => hasModel(host, query));
  switch (query.work) {
    case "pull":
      return choosePulling(fleet, query, online, now);
    case "create":
      return theirs(holders.length > 0 ? servedCopies(holders, query) : online, query.builder);
    case "push":
      return theirs(servedCopies(holders, query), query.builder);
    case "copy":
      return servedCopies(holders, query);
    case "delete":
      return holders;
    case "load":
      return byRoom(servedCopies(holders, query), query).slice(0, query.copies ?? 1);
    case "unload": {
      const loaded = holders.filter((host) => query.model !== undefined && host.loaded.has(query.model));
      // Where it is loaded nowhere, one host says what Ollama says to that.
      return loaded.length > 0 ? loaded : holders.slice(0, 1);
    }
  }
}

/** Hosts that have the model take part, lest one name come to mean two models; the best others make up the number. */
function choosePulling(fleet: Fleet, query: WorkQuery, online: readonly Host[], now: number): readonly Host[] {
  const holders = online.filter((host) => hasModel(host, query));
  const others = online.filter((host) => !holders.includes(host) && !isLeaving(host));
  const wanted = Math.max(0, (query.copies ?? 1) - holders.length);
  const ranked = others.toSorted(
    (a, b) =>
      Number(statusOf(fleet, b, now) === "alive") - Number(statusOf(fleet, a, now) === "alive") ||
      freeMemory(b) - freeMemory(a) ||
      a.slotsUsed - b.slotsUsed ||
      bytesOnDisk(a) - bytesOnDisk(b) ||
      compareIds(a, b),
  );
  return [...holders, ...ranked.slice(0, wanted)];
}

function freeMemory(host: Host): number {
  return host.heard?.beat.vramFreeBytes ?? 0;
}

function bytesOnDisk(host: Host): number {
  return [...host.models.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function byRoom(hosts: readonly Host[], { model }: WorkQuery): Host[] {
  const isLoaded = (host: Host) => Number(model !== undefined && host.loaded.has(model));
  return hosts.toSorted(
    (a, b) =>
      Number(isLeaving(a)) - Number(isLeaving(b)) ||
      isLoaded(b) - isLoaded(a) ||
      freeSlots(b, model) - freeSlots(a, model) ||
      compareIds(a, b),
  );
}

/** Copies of the digest that clients get: where hosts disagree, the others stay as they are. */
function servedCopies(holders: readonly Host[], { model }: WorkQuery): readonly Host[] {
  const copyOf = (host: Host): FleetModel | undefined => (model === undefined ? undefined : host.models.get(model));
  const digest = majorityDigest(holders.flatMap((host) => copyOf(host) ?? []));
  return holders.filter((host) => copyOf(host)?.digest === digest);
}

/** The host with the highest hash of builder and id: it stays the same as long as it is there (rendezvous hashing). */
function theirs(hosts: readonly Host[], builder: string): readonly Host[] {
  const weightOf = ({ registration }: Host) => fnv1a(`${builder} ${registration.id}`);
  return hosts.toSorted((a, b) => weightOf(b) - weightOf(a) || compareIds(a, b)).slice(0, 1);
}

/** FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/), with murmur3's last mix for names that differ at their end. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function checkCopies(hosts: readonly Host[], { work, copies, orFewer }: WorkQuery, offline: readonly Host[]): Chosen {
  const counts = orFewer !== true && (work === "pull" || work === "load");
  return counts && copies !== undefined && hosts.length < copies
    ? refuse("bad_request", `${copies} copies are wanted and ${hosts.length} host(s) could have one`)
    : { ok: true, value: { hosts, offline } };
}

function hasModel(host: Host, { model }: WorkQuery): boolean {
  return model !== undefined && host.models.has(model);
}

function compareIds(a: Host, b: Host): number {
  return a.registration.id < b.registration.id ? -1 : 1;
}

function refuse(code: ErrorCode, detail: string): Chosen {
  return { ok: false, error: { code, detail } };
}
