// Registers a host in its cell: by the invite's region, else by where its join request came from.
import type { Context } from "hono";
import { assignCell } from "../../core/cells/assign.ts";
import type { CellSite, Place } from "../../wire/cells.ts";
import { isPlace } from "../../wire/cells.ts";
import type { ErrorCode } from "../../wire/errors.ts";
import type { HostRegistration } from "../../wire/host.ts";
import type { Result } from "../../wire/result.ts";
import { askAll, placeOfRequest } from "./cells.ts";
import { cellOf, directoryOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { forgetHost, lookUpHost, rememberHost } from "./host-cells.ts";

interface NotRegistered {
  readonly code: Extract<ErrorCode, "conflict" | "too_many_hosts" | "bad_request">;
  readonly message: string;
}

/** Puts a host into the cell it belongs to and out of any other; the join token is spent by that. */
export async function registerHost(
  c: Context<HonoEnv>,
  registration: HostRegistration,
  joinTokenId: string,
): Promise<Result<CellSite, NotRegistered>> {
  const { CELLS } = c.var.prepared.settings;
  const { id, pool, region } = registration;
  const place = isPlace(region) && region !== "any" ? region : placeOfRequest(c);
  const chosen = CELLS.length === 1 ? assignCell(CELLS, { pool, place }, new Map()) : await choose(c, id, pool, place);
  if (chosen === "too_many_hosts") return refused(c, chosen);
  if (chosen === undefined) {
    return { ok: false, error: { code: "bad_request", message: `no cell in CELLS takes hosts of the pool ${pool}` } };
  }
  if (CELLS.length > 1 && !(await directoryOf(c.env).spendJoinToken(joinTokenId))) return refused(c, "conflict");
  const located = { ...registration, region: region === "" ? chosen.region : region };
  const joined = await cellOf(c.env, chosen).joinHost(located, joinTokenId);
  if (!joined.ok) return refused(c, joined.code);
  await leaveOthers(c, id, chosen);
  rememberHost(id, { site: chosen, key: registration.signingKey });
  return { ok: true, value: chosen };
}

/** Every cell says how many hosts it has: of these hangs which shard is chosen, and MAX_INSTANCES. */
async function choose(
  c: Context<HonoEnv>,
  id: string,
  pool: string,
  place: Place,
): Promise<CellSite | "too_many_hosts" | undefined> {
  const { CELLS, MAX_INSTANCES } = c.var.prepared.settings;
  const summaries = await askAll(c, CELLS, async (cell) => await cell.readSummary());
  const counts = new Map(CELLS.map(({ name }, index) => [name, summaries[index]?.hosts ?? 0]));
  forgetHost(id);
  const before = await lookUpHost(c, id, undefined);
  const total = [...counts.values()].reduce((sum, hosts) => sum + hosts, 0);
  if (before === undefined && total >= MAX_INSTANCES) return "too_many_hosts";
  const chosen = assignCell(CELLS, { pool, place }, counts);
  const mayStay = before?.site.pool === chosen?.pool && before?.site.region === chosen?.region;
  return mayStay ? before?.site : chosen;
}

/** A host that moves is forgotten where it was. */
async function leaveOthers(c: Context<HonoEnv>, id: string, chosen: CellSite): Promise<void> {
  const others = c.var.prepared.settings.CELLS.filter((site) => site !== chosen);
  if (others.length > 0) await askAll(c, others, async (cell) => await cell.removeHost(id));
}

function refused(c: Context<HonoEnv>, code: "conflict" | "too_many_hosts"): Result<never, NotRegistered> {
  const message =
    code === "conflict"
      ? "this join token was used already; make a new invite"
      : `MAX_INSTANCES (${c.var.prepared.settings.MAX_INSTANCES}) hosts are registered already`;
  return { ok: false, error: { code, message } };
}
