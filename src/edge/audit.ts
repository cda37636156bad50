// The audit log: every change by an operator, and by whoever may manage models, is a row that outlives all memory.
import { createMiddleware } from "hono/factory";
import type { Route } from "../wire/routes.ts";
import { findRoute } from "./access.ts";
import { readClientPath } from "./caller/client-path.ts";
import { directoryOf } from "./env.ts";
import type { HonoEnv } from "./env.ts";

/** The front of a self-hosted edge calls the one all the time, for no operator; the other only tells who asks. */
const NOT_AUDITED: ReadonlySet<string> = new Set(["/hive/v1/connections/closed", "/api/me"]);

/** Longer is no name. */
const ABOUT_MAX_CHARS = 1_000;

/** Records what was asked, by whom, and how it was answered; before the answer goes out. */
export const audit = createMiddleware<HonoEnv>(async function audit(c, next) {
  await next();
  const { path } = readClientPath(c.req.url);
  const route = findRoute(c.req.method, path);
  const { about } = c.var;
  if (route === undefined || !(isChange(route) || about !== undefined)) return;
  const { principal } = c.var.caller;
  await directoryOf(c.env).recordAudit({
    at: Date.now(),
    operator: principal.tenant,
    tokenId: principal.tokenId,
    action: `${route.method} ${route.path}`,
    target: path.slice(0, ABOUT_MAX_CHARS),
    about: about?.slice(0, ABOUT_MAX_CHARS),
    status: c.res.status,
  });
});

/** Looking changes nothing; whatever else says what it is about is one too. */
function isChange({ access, method, path }: Route): boolean {
  if (method === "GET" || method === "HEAD" || NOT_AUDITED.has(path)) return false;
  return access === "admin" || access === "manage";
}
