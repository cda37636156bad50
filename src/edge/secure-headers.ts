// What every answer says to browsers: do not guess types, send no referrer, run and frame nothing.
import { createMiddleware } from "hono/factory";
import type { HonoEnv } from "./env.ts";

const HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;

/** Sets them where a route has not set its own. */
export const secureHeaders = createMiddleware<HonoEnv>(async function secureHeaders(c, next) {
  await next();
  // A socket that was upgraded has no page to protect, and its headers cannot be changed.
  if (c.res.status === 101) return;
  for (const [name, value] of Object.entries(HEADERS)) if (!c.res.headers.has(name)) c.res.headers.set(name, value);
});
