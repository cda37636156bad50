// The audit log: every change by an operator, and by whoever may manage models, is a row that outlives all memory.
import { createMiddleware } from "hono/factory";
import { findRoute } from "./access.ts";
import { readClientPath } from "./caller/client-path.ts";
import { directoryOf } from "./env.ts";
import type { HonoEnv } from "./env.ts";

/** The front of a self-hosted edge calls this all the time, for no operator. */
const NOT_AUDITED: ReadonlySet<string> = new Set(["/hive/v1/connections/closed"]);

/** Records what was asked, by whom, and how it was answered; before the answer goes out. */
export const audit = createMiddleware<HonoEnv>(async function audit(c, next) {
  await next();
  const { path } = readClientPath(c.req.url);
  const route = findRoute(c.req.method, path);
  if (route === undefined || route.method === "GET" || NOT_AUDITED.has(route.path)) return;
  if (route.access !== "admin" && route.access !== "manage") return;
  const { principal } = c.var.caller;
  await directoryOf(c.env).recordAudit({
    at: Date.now(),
    operator: principal.tenant,
    tokenId: principal.tokenId,
    action: `${route.method} ${route.path}`,
    target: path.slice(0, 300),
    status: c.res.status,
  });
});
