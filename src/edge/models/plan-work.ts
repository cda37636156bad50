// Plans work on models over the cells: what is for every holder is asked of all, what is for one host of the nearest that can.
import type { Context } from "hono";
import { joinPlans } from "../../core/cells/plans.ts";
import { mostTelling } from "../../core/cells/route.ts";
import type { Refusal } from "../../wire/lease.ts";
import type { WorkAnswer, WorkPlan, WorkQuery } from "../../wire/model-work.ts";
import type { CellSite } from "../../wire/cells.ts";
import type { Result } from "../../wire/result.ts";
import { askAll, cellsFor } from "../cells/cells.ts";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { findHost } from "../cells/host-cells.ts";

/** The hosts for the work, for the caller's pool and tenant. */
export async function planWork(
  c: Context<HonoEnv>,
  wanted: Omit<WorkQuery, "pool" | "builder">,
): Promise<Result<WorkPlan, Refusal>> {
  const { pool, tenant } = c.var.caller.principal;
  const query: WorkQuery = { ...wanted, pool, builder: tenant };
  const sites = cellsFor(c, pool);
  const [nearest] = sites;
  if (nearest === undefined)
    return { ok: false, error: { code: "no_host", detail: "no cell in CELLS serves this token's pool" } };
  if (sites.length === 1) return await cellOf(c.env, nearest).planWork(query);
  if (query.hosts !== undefined) return await planNamed(c, sites, query, query.hosts);
  switch (query.work) {
    case "copy":
    case "delete":
    case "unload":
      return joinPlans(await askEach(c, sites, query));
    case "pull":
      return await planPull(c, sites, query);
    case "load":
      if (query.copies !== undefined) return await planCopies(c, sites, query, query.copies);
      return await planNearest(c, sites, query);
    case "create":
    case "push":
      return await planNearest(c, sites, query);
  }
}

async function askEach(c: Context<HonoEnv>, sites: readonly CellSite[], query: WorkQuery): Promise<WorkAnswer[]> {
  const answers = await askAll(c, sites, async (cell) => await cell.planWork(query));
  return answers.map(
    (answer) => answer ?? { ok: false, error: { code: "cell_unavailable", detail: "a cell is silent" } },
  );
}

/** Every cell is asked for the hosts it has. */
async function planNamed(
  c: Context<HonoEnv>,
  sites: readonly CellSite[],
  query: WorkQuery,
  hosts: readonly string[],
): Promise<WorkAnswer> {
  const located = await Promise.all(hosts.map(async (id) => ({ id, site: (await findHost(c, id))?.site ?? sites[0] })));
  const bySite = Map.groupBy(located, ({ site }) => site);
  const plans: WorkAnswer[] = [];
  for (const [site, own] of bySite) {
    if (site === undefined || !sites.includes(site))
      return {
        ok: false,
        error: { code: "unknown_host", detail: `no such host: ${own.map(({ id }) => id).join(", ")}` },
      };
    plans.push(await cellOf(c.env, site).planWork({ ...query, hosts: own.map(({ id }) => id) }));
  }
  return plans.find((plan) => !plan.ok) ?? joinPlans(plans);
}

/** All that have the model, wherever they are; what is missing to the number of copies comes from the nearest cells. */
async function planPull(c: Context<HonoEnv>, sites: readonly CellSite[], query: WorkQuery): Promise<WorkAnswer> {
  const { copies = 1, ...others } = query;
  const plans = await askEach(c, sites, others);
  const holding = plans.map((plan) => (plan.ok ? plan.value.holders : 0));
  let missing = copies - holding.reduce((sum, count) => sum + count, 0);
  const chosen: WorkAnswer[] = [];
  for (const [index, site] of sites.entries()) {
    const [plan, held = 0] = [plans[index], holding[index]];
    if (plan?.ok !== true) continue;
    if (missing > 0) {
      const own = await cellOf(c.env, site).planWork({ ...query, copies: held + missing, orFewer: true });
      if (own.ok) missing -= own.value.targets.length - held;
      chosen.push(own);
    } else if (held > 0) chosen.push(plan);
  }
  return enough(joinPlans(chosen.length > 0 ? chosen : plans), copies);
}

/** So many of those that have the model, from the nearest cell on. */
async function planCopies(
  c: Context<HonoEnv>,
  sites: readonly CellSite[],
  query: WorkQuery,
  copies: number,
): Promise<WorkAnswer> {
  let missing = copies;
  const plans: WorkAnswer[] = [];
  for (const site of sites) {
    const plan = await cellOf(c.env, site).planWork({ ...query, copies: missing, orFewer: true });
    if (plan.ok) missing -= plan.value.targets.length;
    plans.push(plan);
    if (missing <= 0) break;
  }
  return enough(joinPlans(plans), copies);
}

function enough(plan: WorkAnswer, copies: number): WorkAnswer {
  if (!plan.ok || plan.value.targets.length >= copies) return plan;
  const detail = `${copies} copies are wanted and ${plan.value.targets.length} host(s) could have one`;
  return { ok: false, error: { code: "bad_request", detail } };
}

async function planNearest(c: Context<HonoEnv>, sites: readonly CellSite[], query: WorkQuery): Promise<WorkAnswer> {
  const refusals: Refusal[] = [];
  for (const site of sites) {
    const plan = await cellOf(c.env, site).planWork(query);
    if (plan.ok) return plan;
    refusals.push(plan.error);
  }
  return { ok: false, error: mostTelling(refusals) ?? { code: "no_host", detail: "no host is online" } };
}
