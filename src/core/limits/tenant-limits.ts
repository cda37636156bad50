// What one tenant may take of the fleet: requests a minute, at once, tokens a day, and loads of models.
import type { LeaseRequest, Refusal } from "../../wire/lease.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
export const LOAD_WINDOW_MS = 600_000;
/**
 * Loads that a tenant may cause in 10 minutes where its token does not say: one every 20 s. Somebody who tries models by
 * hand stays far below; a client that alternates `num_ctx` to keep a host busy loading does not.
 */
export const LOADS_DEFAULT = 30;
/** English text has about four bytes to a token; enough to bound what is under way. */
const BYTES_PER_TOKEN = 4;
const LONGEST_RETRY_SECONDS = 120;

/** The recent past of one tenant, newest last. All of it may be lost with the cell's memory; the day's tokens are not here. */
interface Recent {
  readonly starts: number[];
  readonly loads: number[];
}

export type TenantLimits = Map<string, Recent>;

/** What the cell knows of a tenant at the moment of a request. */
export interface TenantNow {
  /** Epoch ms. */
  readonly now: number;
  /** Requests of the tenant that run or wait. */
  readonly underWay: number;
  /** Tokens, in and out, since midnight UTC. */
  readonly tokensToday: number;
  /** Whether the request would make a host load a model, or load it anew. */
  readonly loads: boolean;
}

export function createTenantLimits(): TenantLimits {
  return new Map();
}

/** Why a tenant's request may not start now; what may is counted. */
export function admit(limits: TenantLimits, request: LeaseRequest, state: TenantNow): Refusal | undefined {
  const { tenant, limits: allowed = {} } = request.principal;
  const recent = recentOf(limits, tenant, state.now);
  const { rpm = Infinity, concurrent = Infinity, tokensPerDay = Infinity, loads = LOADS_DEFAULT } = allowed;
  if (state.underWay >= concurrent) return limited(`${String(concurrent)} requests at once`, 1);
  if (recent.starts.length >= rpm)
    return limited(`${String(rpm)} requests per minute`, secondsUntil(recent.starts[0], MINUTE_MS, state.now));
  if (state.tokensToday + tokensOf(request) > tokensPerDay)
    return limited(`${String(tokensPerDay)} tokens per day`, (DAY_MS - (state.now % DAY_MS)) / 1000);
  if (state.loads && recent.loads.length >= loads) {
    const waitSeconds = secondsUntil(recent.loads[0], LOAD_WINDOW_MS, state.now);
    return limited(`${String(loads)} loads of models in 10 minutes`, waitSeconds);
  }
  recent.starts.push(state.now);
  if (state.loads) recent.loads.push(state.now);
  return undefined;
}

/** What a request takes of the day's tokens at least: its prompt. */
function tokensOf({ promptBytes }: LeaseRequest): number {
  return Math.ceil(promptBytes / BYTES_PER_TOKEN);
}

function recentOf(limits: TenantLimits, tenant: string, now: number): Recent {
  let recent = limits.get(tenant);
  if (recent === undefined) {
    forgetIdle(limits, now);
    recent = { starts: [], loads: [] };
    limits.set(tenant, recent);
  }
  dropBefore(recent.starts, now - MINUTE_MS);
  dropBefore(recent.loads, now - LOAD_WINDOW_MS);
  return recent;
}

/** Names of tenants come from tokens, so that there are not many; but not for ever. */
function forgetIdle(limits: TenantLimits, now: number): void {
  for (const [tenant, { starts, loads }] of limits) {
    const last = Math.max(starts.at(-1) ?? 0, loads.at(-1) ?? 0);
    if (last <= now - LOAD_WINDOW_MS) limits.delete(tenant);
  }
}

function dropBefore(instants: number[], until: number): void {
  const kept = instants.findIndex((at) => at > until);
  if (kept !== 0) instants.splice(0, kept === -1 ? instants.length : kept);
}

function secondsUntil(oldest: number | undefined, windowMs: number, now: number): number {
  return ((oldest ?? now) + windowMs - now) / 1000;
}

function limited(what: string, retrySeconds: number): Refusal {
  const retryAfterSeconds = Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil(retrySeconds)));
  return { code: "tenant_limited", detail: `at most ${what}`, retryAfterSeconds };
}
