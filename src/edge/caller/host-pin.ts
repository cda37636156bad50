// One host by its id: `/h/HOST/` in the base URL or the header `hive-host`, for operators and tokens that may.
import type { Context } from "hono";
import { readClientPath } from "./client-path.ts";
import type { HonoEnv } from "../env.ts";
import type { RefusalText } from "../refuse.ts";

/** The host a request names, if any; the path wins, for it is the more deliberate. */
export function pinOf(c: Context<HonoEnv>): string | undefined {
  return readClientPath(c.req.url).hostId ?? c.req.header("hive-host");
}

/** Why the caller may not name a host; undefined when it names none or may. */
export function whyNotPinned(
  c: Context<HonoEnv>,
  named: string | readonly string[] | undefined = pinOf(c),
): RefusalText | undefined {
  const { role, scopes } = c.var.caller;
  if (named === undefined || role === "admin" || scopes.includes("hosts")) return undefined;
  return { code: "forbidden", message: "hive: this token may not choose a host" };
}
