// Loading and unloading: an unload reaches every host that has the model in memory, else the next request would find it there.
import type { Context } from "hono";
import { mayManage } from "../access.ts";
import { acquire, settle } from "../request/acquire.ts";
import type { HonoEnv } from "../env.ts";
import type { Inspected } from "../body/inspect.ts";
import type { LoadOrder } from "../body/load-order.ts";
import { callTargets, isSpread, readWish, workHeaders } from "../models/model-work.ts";
import { planWork } from "../models/plan-work.ts";
import { refuse } from "../refuse.ts";
import type { LeasedRequest } from "../request/with-lease.ts";
import { combine, readAnswers } from "../models/work-answer.ts";

/** An unload waits for no slot. */
const COUNTED_WITHIN_MS = 500;

/** The command that is for more than the one host a request would go to: every unload, and a load on so many hosts. */
export function orderForMany(c: Context<HonoEnv>, { order }: Inspected): LoadOrder | undefined {
  return order === "unload" || (order === "load" && isSpread(c)) ? order : undefined;
}

export interface LoadCall {
  readonly inspected: Inspected;
  readonly order: LoadOrder;
  /** As it would go to one host. */
  readonly request: LeasedRequest;
}

/** Carries out a command at its hosts; the client gets one host's answer. */
export async function orderLoads(c: Context<HonoEnv>, { inspected, order, request }: LoadCall): Promise<Response> {
  const { style } = request;
  if (isSpread(c) && !mayManage(c.var.caller))
    return refuse(style, { code: "forbidden", message: "hive: this token may not manage models" });
  const wish = readWish(c);
  if (!wish.ok) return refuse(style, wish.error);
  const limited = mayManage(c.var.caller) ? undefined : await whyLimited(c, request);
  if (limited !== undefined) return limited;
  c.set("about", `${order} ${inspected.model.display}`);
  const plan = await planWork(c, { work: order, model: inspected.model.canonical, ...wish.value });
  if (!plan.ok) return request.refuse(plan.error);
  const answers = await callTargets(c, plan.value.targets, request.forwarded, new AbortController());
  return combine(await readAnswers(answers), workHeaders(c, plan.value));
}

/** What one client unloads another must load: it counts as a request of its tenant, and the tenant's limits hold. */
async function whyLimited(c: Context<HonoEnv>, { lease, refuse: word }: LeasedRequest): Promise<Response | undefined> {
  const acquired = await acquire(c, { ...lease, deadlineAt: Date.now() + COUNTED_WITHIN_MS }, undefined);
  if (!acquired.ok) return acquired.refusal.code === "tenant_limited" ? word(acquired.refusal) : undefined;
  c.executionCtx.waitUntil(settle(c, acquired.held, { type: "client-left" }));
  return undefined;
}
