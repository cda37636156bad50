// Gets a lease: from the nearest cell that can serve, or on the way to the next; with one cell it simply asks it.
import type { Context } from "hono";
import { isElsewhere, mostTelling, nextStep } from "../../core/cells/route.ts";
import type { Asked } from "../../core/cells/route.ts";
import type { FailedAttempt } from "../../wire/cell-rpc.ts";
import type { CellSummary } from "../../wire/cell-summary.ts";
import type { CellSite } from "../../wire/cells.ts";
import { ERRORS } from "../../wire/errors.ts";
import type { AcquireAnswer, Grant, LeaseRequest, Outcome, Refusal } from "../../wire/lease.ts";
import { cellsFor } from "../cells/cells.ts";
import { cellOf } from "../env.ts";
import { whileThere } from "./departed.ts";
import type { HonoEnv } from "../env.ts";
import { findHost } from "../cells/host-cells.ts";
import { knownSummaries, learnSummaries } from "../cells/summaries.ts";
import { logLine } from "../../wire/log-line.ts";

/** A lease and the cell that gave it, which alone can take it back. */
export interface Held {
  readonly grant: Grant;
  readonly site: CellSite;
}

export type Acquired = { readonly ok: true; readonly held: Held } | { readonly ok: false; readonly refusal: Refusal };

/** An attempt that failed and is not settled yet. */
export interface Unsettled {
  readonly held: Held;
  readonly outcome: Outcome;
}

/**
 * Asks cell after cell; `previous` is settled on the way, in the same call where it is of the first cell asked. Where `gone`
 * fires meanwhile, the request leaves the queue, and a lease that was just given ends.
 */
export async function acquire(
  c: Context<HonoEnv>,
  lease: LeaseRequest,
  previous: Unsettled | undefined,
  gone?: AbortSignal,
): Promise<Acquired> {
  const sites = await sitesOf(c, lease);
  const asked: Asked[] = [];
  let learned = false;
  for (;;) {
    const summaries = sites.length < 2 ? NOTHING_KNOWN : knownSummaries(c, sites, lease.model);
    const step = nextStep({ sites, summaries, learned, asked, model: lease.model });
    switch (step.type) {
      case "learn":
        await learnSummaries(c, sites);
        learned = true;
        break;
      case "stop":
        return { ok: false, refusal: mostTelling(asked.map(({ refusal }) => refusal)) ?? NOWHERE };
      case "ask": {
        const { site, mayWait } = step;
        const wanted = sites.length < 2 ? lease : { ...lease, mayWait, hops: asked.length };
        const cancel = (): void => c.executionCtx.waitUntil(cancelAt(c, site, lease.requestId));
        const asking = askCell(c, site, wanted, asked.length === 0 ? previous : undefined);
        const answer = await whileThere(gone, cancel, asking);
        if (answer.ok) return { ok: true, held: { grant: answer.grant, site } };
        if (!isElsewhere(answer.refusal.code)) return answer;
        asked.push({ site, refusal: answer.refusal });
      }
    }
  }
}

const NOTHING_KNOWN: ReadonlyMap<string, CellSummary> = new Map();
const NOWHERE: Refusal = { code: "no_host", detail: "no cell in CELLS serves this token's pool" };

/** A request for one host goes to that host's cell alone. */
async function sitesOf(c: Context<HonoEnv>, lease: LeaseRequest): Promise<readonly CellSite[]> {
  const { principal, pinnedHost, prefix, requestId } = lease;
  // Prompts that begin alike find the hosts that have read that beginning.
  const sites = cellsFor(c, principal.pool, String(prefix[0] ?? requestId));
  if (sites.length < 2 || pinnedHost === undefined) return sites;
  const found = await findHost(c, pinnedHost);
  const own = sites.filter((site) => site === found?.site);
  return own.length === 0 ? sites.slice(0, 1) : own;
}

async function askCell(
  c: Context<HonoEnv>,
  site: CellSite,
  lease: LeaseRequest,
  previous: Unsettled | undefined,
): Promise<AcquireAnswer> {
  const failed = previous?.held.site === site ? failedOf(previous) : undefined;
  if (previous !== undefined && failed === undefined) {
    c.executionCtx.waitUntil(settle(c, previous.held, previous.outcome));
  }
  try {
    return await cellOf(c.env, site).acquireLease(lease, failed);
  } catch (cause) {
    if (!isReset(cause)) return unavailable();
  }
  try {
    // The object was reset under us: a fresh stub works at once.
    return await cellOf(c.env, site).acquireLease(lease, failed);
  } catch {
    return unavailable();
  }
}

function failedOf({ held, outcome }: Unsettled): FailedAttempt {
  return { leaseId: held.grant.leaseId, outcome };
}

function unavailable(): AcquireAnswer {
  return {
    ok: false,
    refusal: { code: "cell_unavailable", detail: ERRORS.cell_unavailable.title, retryAfterSeconds: 5 },
  };
}

/** Gives a lease back. It is also ended by the host's heartbeats and by its deadline, so one try is enough. */
export async function settle(c: Context<HonoEnv>, { grant, site }: Held, outcome: Outcome): Promise<void> {
  const { leaseId } = grant;
  try {
    await cellOf(c.env, site).settleLease(leaseId, outcome);
  } catch (cause) {
    console.warn(logLine({ event: "settle-failed", leaseId, reset: isReset(cause) }));
  }
}

/** A client that leaves before a lease has reached the edge; the cell alone knows where its request stands. */
async function cancelAt(c: Context<HonoEnv>, site: CellSite, requestId: string): Promise<void> {
  await cellOf(c.env, site)
    .cancelRequest(requestId)
    .catch(() => undefined);
}

function isReset(cause: unknown): boolean {
  if (!(cause instanceof Error) || ("overloaded" in cause && cause.overloaded === true)) return false;
  return (
    ("durableObjectReset" in cause && cause.durableObjectReset === true) ||
    ("retryable" in cause && cause.retryable === true)
  );
}
