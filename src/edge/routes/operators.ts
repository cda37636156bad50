// The operators' side: the fleet as it is, and taking hosts out and in.
import type { Context } from "hono";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { refuse } from "../refuse.ts";

export async function readFleet(c: Context<HonoEnv>): Promise<Response> {
  return c.json(await cellOf(c.env).readFleet());
}

export function setDrained(drained: boolean) {
  return async function drain(c: Context<HonoEnv>): Promise<Response> {
    const known = await cellOf(c.env).drainHost(c.req.param("id") ?? "", drained);
    return known ? c.json({ drained }) : unknownHost();
  };
}

export async function removeHost(c: Context<HonoEnv>): Promise<Response> {
  const known = await cellOf(c.env).removeHost(c.req.param("id") ?? "");
  return known ? c.body(null, 204) : unknownHost();
}

function unknownHost(): Response {
  return refuse("hive", { code: "unknown_host", message: "no such host" });
}
