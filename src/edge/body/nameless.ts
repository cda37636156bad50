// A sound body that names no model: some host says what is wrong with it, for there may be more than that.
import type { Context } from "hono";
import type { Endpoint } from "../endpoints.ts";
import type { HonoEnv } from "../env.ts";
import { forwarded } from "../leg/forwarded.ts";
import { pinOf, whyNotPinned } from "../caller/host-pin.ts";
import type { Unserved } from "./inspect.ts";
import { refuse } from "../refuse.ts";
import { withLease } from "../request/with-lease.ts";

/** Where no host is free at once, the edge's own words must do. */
const WAIT_MS = 250;

/** What a host says to a body that cannot be served; what the edge says, where it is not for a host to judge. */
export async function serveNameless(
  c: Context<HonoEnv>,
  endpoint: Endpoint,
  unserved: Unserved,
  body: Uint8Array,
): Promise<Response> {
  const { style } = endpoint;
  if (unserved.nameless !== true || whyNotPinned(c) !== undefined) return refuse(style, unserved);
  return await withLease(c, {
    style,
    lease: {
      requestId: c.var.requestId,
      principal: c.var.caller.principal,
      needs: [],
      kind: endpoint.kind,
      streaming: false,
      runner: "",
      promptBytes: body.byteLength,
      prefix: [],
      deadlineAt: Date.now() + WAIT_MS,
      pinnedHost: pinOf(c),
      exclude: [],
      attempt: 1,
    },
    forwarded: await forwarded(c, endpoint.path, body),
    refuse: () => refuse(style, unserved),
  });
}
