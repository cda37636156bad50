// The operators' side: the fleet as it is, and taking hosts out and in.
import type { Context } from "hono";
import { cellOf, directoryOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { refuse } from "../refuse.ts";

export async function readFleet(c: Context<HonoEnv>): Promise<Response> {
  return c.json(await cellOf(c.env).readFleet());
}

export async function readScale(c: Context<HonoEnv>): Promise<Response> {
  return c.json(await cellOf(c.env).readScale());
}

export function setDrained(drained: boolean) {
  return async function drain(c: Context<HonoEnv>): Promise<Response> {
    const known = await cellOf(c.env).drainHost(c.req.param("id") ?? "", drained);
    return known ? c.json({ drained }) : unknownHost();
  };
}

export async function removeHost(c: Context<HonoEnv>): Promise<Response> {
  const hostId = c.req.param("id") ?? "";
  const known = await cellOf(c.env).removeHost(hostId);
  // What still runs there is cut by the edges that wait for it.
  if (known) await directoryOf(c.env).revoke({ kind: "host", id: hostId });
  return known ? c.body(null, 204) : unknownHost();
}

function unknownHost(): Response {
  return refuse("hive", { code: "unknown_host", message: "no such host" });
}
