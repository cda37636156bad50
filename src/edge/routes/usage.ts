// What was used, and why this host: operators see all of it, a client its own and nothing of others.
import type { Context } from "hono";
import type { RequestView } from "../../wire/cell-rpc.ts";
import { parseDuration } from "../../wire/duration.ts";
import { joinUsage } from "../../core/cells/join.ts";
import { askAll } from "../cells/cells.ts";
import type { HonoEnv } from "../env.ts";
import { refuse } from "../refuse.ts";

const SINCE_DEFAULT = "7d";

export async function readUsage(c: Context<HonoEnv>): Promise<Response> {
  const since = parseDuration(c.req.query("since") ?? SINCE_DEFAULT);
  if (!since.ok) return refuse("hive", { code: "bad_request", message: `since: ${since.error}` });
  const sinceDay = new Date(Math.max(0, Date.now() - since.value)).toISOString().slice(0, 10);
  const tenant = ownTenant(c) ?? c.req.query("sub");
  const { CELLS } = c.var.prepared.settings;
  const parts = await askAll(c, CELLS, async (cell) => await cell.readUsage({ sinceDay, tenant }));
  return c.json({ sinceDay, usage: joinUsage(parts.filter((part) => part !== undefined)) });
}

/** Another tenant's request is as unknown as one that never was. */
export async function showRequest(c: Context<HonoEnv>): Promise<Response> {
  const tenant = ownTenant(c);
  const id = c.req.param("id") ?? "";
  const { CELLS } = c.var.prepared.settings;
  const told = await askAll(c, CELLS, async (cell) => await cell.readRequest(id, tenant));
  const known = told.filter((request) => request !== undefined);
  // A cell that sent it on knows it too.
  const found = known.find(({ attempts }) => attempts.length > 0) ?? known[0];
  if (found === undefined) return refuse("hive", { code: "not_found", message: "no such request among the last ones" });
  return c.json(tenant === undefined ? found : withoutOthersHosts(found));
}

/** Whose alone may be shown; undefined for an operator. */
function ownTenant(c: Context<HonoEnv>): string | undefined {
  const { role, principal } = c.var.caller;
  return role === "admin" ? undefined : principal.tenant;
}

/** Hosts of other pools do not exist for a client, nor does the load that others put on its own. */
function withoutOthersHosts(request: RequestView): RequestView {
  const attempts = request.attempts.map(({ decision, ...attempt }) => {
    const candidates = decision.candidates.filter(({ hostId }) => hostId === attempt.hostId);
    return { ...attempt, decision: { policy: decision.policy, chosen: decision.chosen, candidates } };
  });
  return { ...request, attempts };
}
