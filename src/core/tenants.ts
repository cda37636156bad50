// Fairness: who has had how much of the fleet, counted in GPU-seconds at one reference speed, so that fast hosts cost no more.
import { decodeDepthFactor, prefillWork } from "./speed/depth.ts";
import type { Fleet, Tenant, Waiting, Work } from "./state.ts";

/** Of the reference speeds only their relation matters: reading 40 tokens costs as much as writing one. */
const READ_PER_SECOND = 4_000;
const WRITE_PER_SECOND = 100;
/** A tenant so close to the one that has had least may pass the others with prompts that are cached. */
export const QUANTUM_SECONDS = 10;
/** Passed over for so long, a request counts as one priority higher, and nobody with it passes it any more. */
export const AGEING_MS = 10_000;

const BANDS = { low: 0, normal: 1, high: 2 } as const;

/** Answers what is kept of a tenant while it has requests; one that comes back starts level with the least served. */
export function tenantOf(fleet: Fleet, name: string): Tenant {
  const known = fleet.tenants.get(name);
  if (known !== undefined) return known;
  const tenant = { name, seconds: leastSeconds(fleet), running: 0, waiting: 0 };
  fleet.tenants.set(name, tenant);
  return tenant;
}

/** Answers the GPU-seconds of the tenant that has had least of those that have requests. */
export function leastSeconds(fleet: Fleet): number {
  let least = Infinity;
  for (const { seconds } of fleet.tenants.values()) least = Math.min(least, seconds);
  return least === Infinity ? 0 : least;
}

/** Charges a tenant for a request that begins. */
export function chargeBegun(fleet: Fleet, work: Work): void {
  const tenant = tenantOf(fleet, work.request.principal.tenant);
  tenant.running += 1;
  tenant.seconds += expectedSeconds(work);
}

/** Records that a request has ended. */
export function chargeEnded(fleet: Fleet, { request }: Work): void {
  const tenant = fleet.tenants.get(request.principal.tenant);
  if (tenant === undefined) return;
  tenant.running -= 1;
  forgetIdle(fleet, tenant);
}

/** Corrects what a request was charged by the answer's true length. */
export function chargeMeasured(fleet: Fleet, work: Work, outputTokens: number): void {
  const tenant = fleet.tenants.get(work.request.principal.tenant);
  if (tenant !== undefined) tenant.seconds += writeSeconds(work, outputTokens - work.outputTokens);
}

export function tenantWaits(fleet: Fleet, { request }: Waiting): void {
  tenantOf(fleet, request.principal.tenant).waiting += 1;
}

export function tenantLeavesQueue(fleet: Fleet, { request }: Waiting): void {
  const tenant = fleet.tenants.get(request.principal.tenant);
  if (tenant === undefined) return;
  tenant.waiting -= 1;
  forgetIdle(fleet, tenant);
}

/** The priority of a waiting request, raised by the time in which neither it nor one of those with it had a turn. */
export function bandOf(waiting: Waiting, now: number): number {
  return BANDS[waiting.request.principal.priority] + Math.floor(passedOverMs(waiting, now) / AGEING_MS);
}

/** For how long a request and those with it have been passed over. */
export function passedOverMs({ queuedAt, flow }: Waiting, now: number): number {
  return now - Math.max(queuedAt, flow.grantedAt);
}

function forgetIdle(fleet: Fleet, tenant: Tenant): void {
  if (tenant.running + tenant.waiting <= 0) fleet.tenants.delete(tenant.name);
}

function expectedSeconds(work: Work): number {
  const { promptTokens, matchedBytes, request, outputTokens } = work;
  const cached = promptTokens * Math.min(1, matchedBytes / Math.max(1, request.promptBytes));
  return prefillWork(promptTokens - cached, cached) / READ_PER_SECOND + writeSeconds(work, outputTokens);
}

function writeSeconds({ promptTokens }: Work, outputTokens: number): number {
  return (outputTokens * decodeDepthFactor(promptTokens)) / WRITE_PER_SECOND;
}
