// The operators' side: the fleet as it is, and taking hosts out and in.
import type { Context } from "hono";
import { joinFleets } from "../../core/cells/join.ts";
import { joinScales } from "../../core/scale/join.ts";
import { askAll } from "../cells/cells.ts";
import { directoryOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import type { CellRpc } from "../../wire/cell-rpc.ts";
import type { FleetView } from "../../wire/fleet-view.ts";
import { writeMetrics } from "../metrics.ts";
import { refuse } from "../refuse.ts";

export async function readFleet(c: Context<HonoEnv>): Promise<Response> {
  return c.json(await wholeFleet(c));
}

export async function readMetrics(c: Context<HonoEnv>): Promise<Response> {
  return c.text(writeMetrics(await wholeFleet(c)), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
}

async function wholeFleet(c: Context<HonoEnv>): Promise<FleetView> {
  const { CELLS } = c.var.prepared.settings;
  const views = await askAll(c, CELLS, async (cell) => await cell.readFleet());
  return joinFleets(CELLS.map((site, index) => ({ site, view: views[index] })));
}

export async function readScale(c: Context<HonoEnv>): Promise<Response> {
  const views = await askAll(c, c.var.prepared.settings.CELLS, async (cell) => await cell.readScale());
  const scale = joinScales(views.filter((view) => view !== undefined));
  if (scale !== undefined) return c.json(scale);
  return refuse("hive", { code: "cell_unavailable", message: "no cell has answered" });
}

export function setDrained(drained: boolean) {
  return async function drain(c: Context<HonoEnv>): Promise<Response> {
    const known = await askSome(c, async (cell) => await cell.drainHost(c.req.param("id") ?? "", drained));
    return known ? c.json({ drained }) : unknownHost();
  };
}

export async function removeHost(c: Context<HonoEnv>): Promise<Response> {
  const hostId = c.req.param("id") ?? "";
  const known = await askSome(c, async (cell) => await cell.removeHost(hostId));
  // What still runs there is cut by the edges that wait for it.
  if (known) await directoryOf(c.env).revoke({ kind: "host", id: hostId });
  return known ? c.body(null, 204) : unknownHost();
}

/** Whether any cell did it: an operator names a host, not its cell. */
async function askSome(c: Context<HonoEnv>, ask: (cell: CellRpc) => Promise<boolean>): Promise<boolean> {
  return (await askAll(c, c.var.prepared.settings.CELLS, ask)).includes(true);
}

function unknownHost(): Response {
  return refuse("hive", { code: "unknown_host", message: "no such host" });
}
