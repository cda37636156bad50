// What of a client's request goes to a host: the body as it came, and of its headers two.
import type { Context } from "hono";
import { sha256Base64Url } from "../../auth/digest.ts";
import type { HonoEnv } from "../env.ts";
import type { Forwarded } from "./forward.ts";

/** The request for an agent; `model` is the canonical key of the one it names. */
export async function forwarded(
  c: Context<HonoEnv>,
  path: string,
  body: Uint8Array,
  model?: string,
): Promise<Forwarded> {
  return {
    requestId: c.var.requestId,
    method: "POST",
    path,
    body,
    bodySha256: await sha256Base64Url(body),
    contentType: c.req.header("content-type") ?? "application/json",
    userAgent: c.req.header("user-agent") ?? null,
    ...(model === undefined ? {} : { modelKey: model }),
  };
}
