// The front of a self-hosted edge says which client connections have closed; what ran for them ends at cell and agent at once.
import type { Context } from "hono";
import * as z from "zod";
import { noteDeparted } from "../request/departed.ts";
import { askAll } from "../cells/cells.ts";
import type { HonoEnv } from "../env.ts";
import { cancelLeg } from "../leg/agent-call.ts";
import { readBody } from "../body/read-body.ts";
import { refuse } from "../refuse.ts";

const BODY_MAX_BYTES = 1_000_000;
const closedSchema = z.object({
  connections: z.array(z.string().max(60)).max(10_000).describe("ip:port of each client."),
});

export async function connectionsClosed(c: Context<HonoEnv>): Promise<Response> {
  const body = await readBody(c.req.raw, BODY_MAX_BYTES);
  const parsed = closedSchema.safeParse(body.ok ? parse(body.value) : undefined);
  if (!parsed.success) return refuse("hive", { code: "bad_request", message: 'expected {connections: ["ip:port"]}' });
  const { connections } = parsed.data;
  const { CELLS } = c.var.prepared.settings;
  const told = await askAll(c, CELLS, async (cell) => await cell.cancelConnections(connections));
  const cancelled = told.flatMap((leases) => leases ?? []);
  for (const { requestId } of cancelled) noteDeparted(requestId);
  // Not waited for: one agent that is slow to answer must not keep the front from the next look. One that cannot be told learns
  // it from the answer to its next heartbeat.
  const telling = cancelled.map(async ({ grant, requestId }) => await cancelLeg(c.var.prepared, grant, requestId));
  c.executionCtx.waitUntil(Promise.allSettled(telling));
  return c.json({ cancelled: cancelled.length });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
