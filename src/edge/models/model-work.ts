// Work on models at one or more hosts: where, with whose authority, and each host's answer.
import type { Context } from "hono";
import type { WorkPlan, WorkQuery, WorkTarget } from "../../wire/model-work.ts";
import type { Result } from "../../wire/result.ts";
import type { HonoEnv } from "../env.ts";
import { openLeg } from "../leg/forward.ts";
import type { Forwarded } from "../leg/forward.ts";
import { pinOf, whyNotPinned } from "../caller/host-pin.ts";
import type { OpenLeg } from "../leg/leg-head.ts";
import type { RefusalText } from "../refuse.ts";
import { logLine } from "../../wire/log-line.ts";

const COPIES_HEADER = "hive-copies";
const HOSTS_HEADER = "hive-hosts";

/** Whether a request names the hosts, or their number, for a command to reach. */
export function isSpread(c: Context<HonoEnv>): boolean {
  return c.req.header(COPIES_HEADER) !== undefined || c.req.header(HOSTS_HEADER) !== undefined;
}

/** Where the caller wants the work done, by path or header; the reason where it may not say so. */
export function readWish(c: Context<HonoEnv>): Result<Pick<WorkQuery, "hosts" | "copies">, RefusalText> {
  const pin = pinOf(c);
  const listed = c.req
    .header(HOSTS_HEADER)
    ?.split(",")
    .map((id) => id.trim());
  const hosts = pin === undefined ? listed?.filter((id) => id !== "") : [pin];
  const barred = hosts === undefined ? undefined : whyNotPinned(c, hosts);
  if (barred !== undefined) return { ok: false, error: barred };
  const text = c.req.header(COPIES_HEADER);
  if (text === undefined) return { ok: true, value: { hosts } };
  if (/^[1-9]\d{0,3}$/.test(text)) return { ok: true, value: { hosts, copies: Number(text) } };
  return {
    ok: false,
    error: { code: "bad_request", message: `hive: ${COPIES_HEADER}: expected a whole number from 1 on` },
  };
}

export interface HostAnswer {
  readonly hostId: string;
  /** The host's answer, or why there is none. */
  readonly leg: Result<OpenLeg, string>;
}

/** Sends one call to every target at once; all end when `abort` fires. */
export async function callTargets(
  c: Context<HonoEnv>,
  targets: readonly WorkTarget[],
  request: Forwarded,
  abort: AbortController,
): Promise<readonly HostAnswer[]> {
  return await Promise.all(targets.map(async (target) => await callTarget(c, target, request, abort)));
}

async function callTarget(
  c: Context<HonoEnv>,
  target: WorkTarget,
  request: Forwarded,
  abort: AbortController,
): Promise<HostAnswer> {
  const { hostId } = target;
  // A host that does not accept in time ends its own call alone.
  const own = new AbortController();
  abort.signal.addEventListener("abort", () => own.abort());
  const leg = await openLeg(c.var.prepared, target, { ...request, scope: "manage" }, own);
  if (leg.ok) return { hostId, leg };
  const reason = "reason" in leg.error ? leg.error.reason : leg.error.type;
  console.warn(logLine({ event: "work-failed", requestId: c.var.requestId, hostId, reason }));
  return { hostId, leg: { ok: false, error: "the host cannot be reached" } };
}

/** Which hosts did the work, for scripts and people. */
export function workHeaders(c: Context<HonoEnv>, { targets, offline }: WorkPlan): Record<string, string> {
  return {
    "cache-control": "no-store, no-transform",
    "hive-request-id": c.var.requestId,
    [HOSTS_HEADER]: targets.map(({ hostId }) => hostId).join(","),
    ...(offline.length === 0 ? {} : { "hive-hosts-offline": offline.join(",") }),
  };
}
