// Which web pages may call: Ollama's own default origins, plus ALLOWED_ORIGINS. Preflights carry no credentials, so they come first.
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import type { HonoEnv } from "./env.ts";

const LOCAL = /^https?:\/\/(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d{1,5})?$/;
const APP_SCHEMES = ["app://", "file://", "tauri://", "vscode-webview://", "vscode-file://"];
const METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
const HEADERS = [
  "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,x-api-key,anthropic-version,anthropic-beta",
  "x-stainless-arch,x-stainless-async,x-stainless-custom-poll-interval,x-stainless-helper-method,x-stainless-lang",
  "x-stainless-os,x-stainless-package-version,x-stainless-poll-helper,x-stainless-retry-count,x-stainless-runtime",
  "x-stainless-runtime-version,x-stainless-timeout,hive-priority,hive-deadline-ms",
].join(",");
/** 12 hours, as Ollama's. */
const MAX_AGE_SECONDS = "43200";

/** Answers preflights, refuses unlisted origins with an empty 403 as Ollama does, and marks the answers of listed ones. */
export const cors = createMiddleware<HonoEnv>(async function cors(c, next) {
  const origin = c.req.header("origin");
  if (origin === undefined) return await next();
  if (!isAllowed(origin, c.var.prepared.settings.ALLOWED_ORIGINS) && origin !== new URL(c.req.url).origin) {
    return c.body(null, 403);
  }
  const marks = { "access-control-allow-origin": origin, vary: "Origin" };
  if (c.req.method === "OPTIONS") {
    const allowed = { "access-control-allow-methods": METHODS, "access-control-allow-headers": HEADERS };
    return c.body(null, 204, { ...marks, ...allowed, "access-control-max-age": MAX_AGE_SECONDS });
  }
  await next();
  for (const [name, value] of Object.entries(marks)) c.res.headers.set(name, value);
  c.res.headers.set("access-control-expose-headers", "hive-request-id,hive-host,hive-attempts,hive-queue-ms");
});

/**
 * Whether a request may be one that its user meant: an issuer's proxy answers for whoever has its cookie, whichever page
 * makes the browser send it. So a page counts if it is Hive's own, or listed by name.
 */
export function isMeant(c: Context<HonoEnv>): boolean {
  const origin = c.req.header("origin");
  if (origin === undefined || origin === new URL(c.req.url).origin) return true;
  return c.var.prepared.settings.ALLOWED_ORIGINS.includes(origin.toLowerCase());
}

/** `*` in ALLOWED_ORIGINS allows every origin; nothing is ever allowed with cookies. */
function isAllowed(origin: string, listed: readonly string[]): boolean {
  if (LOCAL.test(origin) || APP_SCHEMES.some((scheme) => origin.startsWith(scheme))) return true;
  return listed.includes("*") || listed.includes(origin.toLowerCase());
}
