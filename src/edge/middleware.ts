// What every request passes before its route: an id, this isolate's settings and keys, and the question who asks.
import { createMiddleware } from "hono/factory";
import { findCaller } from "./callers.ts";
import { readClientPath } from "./client-path.ts";
import { readCredentials } from "./credentials.ts";
import { prepare } from "./env.ts";
import type { HonoEnv } from "./env.ts";
import { refuse, styleOf } from "./refuse.ts";

/** Gives the request its id and the isolate's prepared keys; a bad variable is named in the log, not to the caller. */
export const prepareRequest = createMiddleware<HonoEnv>(async function prepareRequest(c, next) {
  c.set("requestId", crypto.randomUUID());
  try {
    c.set("prepared", await prepare(c.env));
  } catch (cause) {
    console.error(
      JSON.stringify({ event: "misconfigured", reason: cause instanceof Error ? cause.message : "unknown" }),
    );
    return refuse(styleOf(c.req.path), { code: "misconfigured", message: "hive: misconfigured, see the log" });
  }
  return await next();
});

/** Lets only callers with a valid token of one of the roles pass. */
export function requireRole(...roles: readonly ("client" | "admin")[]) {
  return createMiddleware<HonoEnv>(async function requireRole(c, next) {
    const path = readClientPath(c.req.url);
    const caller = await findCaller(c.var.prepared, readCredentials(c.req.raw.headers, path), Date.now());
    const style = styleOf(path.path);
    if (caller === undefined) {
      // Ollama's CLI hides the text of a 401 behind its own, and shows that of a 403.
      const cli = style === "ollama" && (c.req.header("user-agent") ?? "").startsWith("ollama/");
      return refuse(style, { code: cli ? "forbidden" : "unauthenticated", message: "hive: no valid token" });
    }
    if (!roles.includes(caller.role))
      return refuse(style, { code: "forbidden", message: "hive: this token is for something else" });
    c.set("caller", caller);
    return await next();
  });
}
