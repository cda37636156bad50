// Orders that bring the copies of each model in memory to the number wanted: load, unload the coldest, pull. It makes the
// copies that demand needs, whatever must leave for them; `core/spread.ts` fills what room is left. Each sees the other's
// loads by the runner's `orderedAt`, and what one has ordered counts for the other.
import type { CopySource, Order } from "../../wire/heartbeat.ts";
import type { HostRegistration } from "../../wire/host.ts";
import { instantOf, majorityDigest } from "../digests.ts";
import type { Fleet, Host } from "../state.ts";
import { isLoading, mostAskedOptions } from "../loads.ts";
import { runnerOf } from "../runners.ts";
import { lastUsedAt } from "./demand.ts";
import type { Scaler } from "./scaler.ts";
import type { ModelPlan } from "./wanted.ts";
import { memoryNeed, servingHosts } from "./wanted.ts";

/** An order of which nothing was heard for so long is given up; it may be given again. */
const TASK_MS = { load: 5 * 60_000, unload: 60_000, pull: 2 * 3_600_000 } as const;
/** What failed is not tried again at once. */
const FAILED_PAUSE_MS = 60_000;
/** A model that worked a moment ago may have its next request on the way. */
const COLD_AFTER_MS = 30_000;
/** Ollama loads beside others only what fits in 80 % of the free memory (server/sched.go). */
const FIT = 0.8;

export interface HostOrder {
  readonly hostId: string;
  readonly order: Order;
}

export interface Task {
  readonly type: "load" | "unload" | "pull";
  readonly since: number;
  readonly failedAt?: number | undefined;
}

/** Compares what is loaded with what is wanted, and orders the difference; marks what is under way. */
export function planCopies(scaler: Scaler, fleet: Fleet, plans: readonly ModelPlan[], now: number): HostOrder[] {
  settleTasks(scaler, fleet, now);
  const orders: HostOrder[] = [];
  const give = (host: Host, order: Extract<Order, { model: string }>): void => {
    const hostId = host.registration.id;
    scaler.tasks.set(`${hostId} ${order.model}`, { type: order.type, since: now });
    if (order.type === "load") runnerOf(fleet, host, order.model, order.runner ?? "").orderedAt = now;
    orders.push({ hostId, order });
  };
  const hosts = servingHosts(fleet, now);
  const urgentFirst = plans.toSorted((a, b) => shortage(b) - shortage(a));
  for (const plan of urgentFirst) {
    for (const host of unpinned(scaler, hosts, plan.model, now)) give(host, loadOrder(scaler, fleet, plan.model, now));
    const spreading = hosts.filter((host) => isComing(scaler, host, plan.model, now));
    const coming = underWay(scaler, plan.model, "load") + spreading.length;
    for (let missing = plan.wanted - plan.loaded - coming; missing > 0; missing -= 1) {
      const site = findSite({ scaler, fleet, hosts, plans, now }, plan);
      if (site === undefined) break;
      for (const model of site.victims) give(site.host, { type: "unload", model });
      give(site.host, loadOrder(scaler, fleet, plan.model, now));
    }
    const missingOnDisk = plan.wanted - plan.onDisk;
    if (missingOnDisk > 0 && underWay(scaler, plan.model, "pull") === 0) {
      const target = findTarget(scaler, hosts, plan);
      if (target !== undefined) give(target, pullOrder(scaler, hosts, plan.model));
    }
  }
  return orders;
}

/** A load with the options that the model is asked for with; to stay where a rule pins it. */
function loadOrder(scaler: Scaler, fleet: Fleet, model: string, now: number): Extract<Order, { type: "load" }> {
  const { pinned } = scaler.settings.ruleOf(model);
  const runner = mostAskedOptions(fleet, model, now);
  return { type: "load", model, ...(runner === "" ? {} : { runner }), ...(pinned ? { pinned } : {}) };
}

/** A pinned model ends this far ahead at the soonest; Ollama shows "for ever" as centuries. */
const PINNED_MS = 7 * 86_400_000;

/** Idle hosts that would let go of a model that is to stay: somebody else has loaded it there. */
function unpinned(scaler: Scaler, hosts: readonly Host[], model: string, now: number): Host[] {
  const rule = scaler.settings.ruleOf(model);
  if (!rule.pinned) return [];
  return hosts.filter(({ registration: { id }, heard, leases }) => {
    const running = heard?.beat.running.find(({ key }) => key === model);
    const lasts = running === undefined || instantOf(running.expiresAt) > now + PINNED_MS;
    return !lasts && leases.size === 0 && rule.mayRunOn(id) && !scaler.tasks.has(`${id} ${model}`);
  });
}

function shortage(plan: ModelPlan): number {
  return plan.slotsNeeded > 0 ? (plan.wanted - plan.loaded) / Math.max(1, plan.wanted) : 0;
}

/** Forgets orders whose effect shows, that failed a while ago, or of which nothing is heard any more. */
function settleTasks(scaler: Scaler, fleet: Fleet, now: number): void {
  for (const [key, task] of scaler.tasks) {
    const [hostId = "", model = ""] = key.split(" ");
    const host = fleet.hosts.get(hostId);
    const failedAt = task.failedAt ?? (hasFailed(host, task, model) ? now : undefined);
    const over = failedAt === undefined ? task.since + TASK_MS[task.type] : failedAt + FAILED_PAUSE_MS;
    const done = failedAt === undefined && isDone(host, task, model);
    if (host === undefined || now >= over || done) scaler.tasks.delete(key);
    else scaler.tasks.set(key, { ...task, failedAt });
  }
}

function hasFailed(host: Host | undefined, { type }: Task, model: string): boolean {
  const reported = host?.heard?.beat.tasks?.find((other) => other.model === model && other.type === type);
  return reported?.failure !== undefined;
}

/** Only a heartbeat that was made after the order can show its effect. */
function isDone(host: Host | undefined, task: Task, model: string): boolean {
  if (host?.heard === undefined || host.heard.heardAt <= task.since) return false;
  if (task.type === "pull") return host.models.has(model);
  return host.loaded.has(model) === (task.type === "load");
}

function underWay(scaler: Scaler, model: string, type: Task["type"]): number {
  let count = 0;
  for (const [key, task] of scaler.tasks) {
    if (task.type === type && task.failedAt === undefined && key.endsWith(` ${model}`)) count += 1;
  }
  return count;
}

/** Whether a copy is loaded there that was not ordered here: for requests that were sent there, or into free room. */
function isComing({ tasks }: Scaler, host: Host, model: string, now: number): boolean {
  return !host.loaded.has(model) && !tasks.has(`${host.registration.id} ${model}`) && isLoading(host, now, model);
}

interface Scene {
  readonly scaler: Scaler;
  readonly fleet: Fleet;
  readonly hosts: readonly Host[];
  readonly plans: readonly ModelPlan[];
  readonly now: number;
}

interface Site {
  readonly host: Host;
  readonly victims: readonly string[];
}

/** An idle host that has the model, where it fits; else one where the coldest models make room. */
function findSite(scene: Scene, { model, loaded }: ModelPlan): Site | undefined {
  const { scaler, hosts, now } = scene;
  const rule = scaler.settings.ruleOf(model);
  const able = hosts.filter((host) => {
    const { id } = host.registration;
    const free = isIdle(host) && !isBusy(scaler, id) && !isLoading(host, now);
    return free && host.models.has(model) && !host.loaded.has(model) && rule.mayRunOn(id);
  });
  const free = able.filter((host) => fits(scene.fleet, host, model, new Set()));
  const roomiest = free.sort((a, b) => (freeBytes(b) ?? 0) - (freeBytes(a) ?? 0) || a.loaded.size - b.loaded.size);
  if (roomiest[0] !== undefined) return { host: roomiest[0], victims: [] };
  const sites = able.flatMap((host) => {
    const victims = victimsOn(scene, host, model);
    return victims === undefined ? [] : [{ host, victims }];
  });
  // What fits nowhere whole still runs partly outside the GPU, if it is alone: better than not at all.
  const alone = loaded === 0 ? able.find((host) => host.loaded.size === 0) : undefined;
  return sites.sort((a, b) => a.victims.length - b.victims.length)[0] ?? (alone && { host: alone, victims: [] });
}

function isIdle(host: Host): boolean {
  return host.leases.size === 0;
}

/** Ollama does one load at a time. */
function isBusy(scaler: Scaler, hostId: string): boolean {
  for (const [key, task] of scaler.tasks) if (task.type !== "pull" && key.startsWith(`${hostId} `)) return true;
  return false;
}

/** The fewest of the coldest models that make room; undefined where those that may go do not suffice. */
function victimsOn({ scaler, fleet, plans, now }: Scene, host: Host, model: string): string[] | undefined {
  const { id } = host.registration;
  const usedAt = (other: string): number => lastUsedAt(scaler.demand, id, other) ?? -Infinity;
  const mayGo = [...host.loaded].filter((other) => {
    const plan = plans.find((each) => each.model === other);
    const spare = plan === undefined || plan.loaded > plan.wanted;
    const inUse = (host.usedByModel.get(other) ?? 0) > 0 || now - usedAt(other) < COLD_AFTER_MS;
    return spare && !inUse && !scaler.settings.ruleOf(other).pinned;
  });
  const gone = new Set<string>();
  for (const other of mayGo.sort((a, b) => usedAt(a) - usedAt(b))) {
    gone.add(other);
    if (fits(fleet, host, model, gone)) return [...gone];
  }
  return undefined;
}

/** Where the host does not tell its memory, a model fits if nothing else is loaded. */
function fits(fleet: Fleet, host: Host, model: string, gone: ReadonlySet<string>): boolean {
  const free = freeBytes(host);
  if (free === undefined) return [...host.loaded].every((other) => gone.has(other));
  const freed = [...gone].reduce((sum, other) => sum + memoryNeed(fleet, host, other), 0);
  return memoryNeed(fleet, host, model) <= (free + freed) * FIT;
}

function freeBytes(host: Host): number | undefined {
  const beat = host.heard?.beat;
  if (beat?.vramFreeBytes !== undefined) return beat.vramFreeBytes;
  if (beat?.vramTotalBytes === undefined) return undefined;
  const used = beat.running.reduce((sum, { sizeVramBytes }) => sum + sizeVramBytes, 0);
  return Math.max(0, beat.vramTotalBytes - used);
}

/** The host that is to get the model's files: allowed, without them, least loaded. */
function findTarget(scaler: Scaler, hosts: readonly Host[], { model }: ModelPlan): Host | undefined {
  const rule = scaler.settings.ruleOf(model);
  if (!rule.pull) return undefined;
  const able = hosts.filter(({ models, registration: { id } }) => {
    const failed = scaler.tasks.get(`${id} ${model}`)?.failedAt !== undefined;
    return !models.has(model) && rule.mayRunOn(id) && !failed;
  });
  return able.sort((a, b) => a.leases.size - b.leases.size || a.models.size - b.models.size)[0];
}

/** Most hosts offered for one copy: the second is for when the first breaks. */
const SOURCES_MAX = 4;

/** A download, or a copy from the hosts of the fleet that let others fetch their files. */
function pullOrder(scaler: Scaler, hosts: readonly Host[], model: string): Extract<Order, { type: "pull" }> {
  const rule = scaler.settings.ruleOf(model);
  const holders = hosts.filter((host) => host.models.has(model));
  const digest = majorityDigest(holders.flatMap((host) => host.models.get(model) ?? []));
  const from = holders.flatMap(({ registration, models, heard, leases }) => {
    const url = heard?.beat.shareUrl;
    const gives = rule.mayComeFrom(registration.id) && models.get(model)?.digest === digest;
    return url === undefined || !gives ? [] : [{ busy: leases.size, source: sourceOf(registration, url) }];
  });
  const best = from.sort((a, b) => a.busy - b.busy).slice(0, SOURCES_MAX);
  return { type: "pull", model, ...(best.length === 0 ? {} : { digest, from: best.map(({ source }) => source) }) };
}

function sourceOf({ id, agreementKey }: HostRegistration, url: string): CopySource {
  return { hostId: id, url, key: agreementKey };
}
