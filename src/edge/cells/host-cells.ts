// Which cell a host belongs to, and the key it registered there: remembered per isolate, asked for where it is not known.
import type { Context } from "hono";
import type { CellSite } from "../../wire/cells.ts";
import type { PublicKey } from "../../wire/host.ts";
import { askAll } from "./cells.ts";
import type { HonoEnv } from "../env.ts";
import { cellOf } from "../env.ts";

export interface KnownHost {
  readonly site: CellSite;
  readonly key: PublicKey;
}

/** Most hosts remembered. */
const REMEMBERED_MAX = 20_000;
/** Anybody may send a heartbeat with a made-up id: no more than so many of them may make an isolate ask every cell, each second. */
const SEARCHES_PER_SECOND = 20;

const remembered = new Map<string, KnownHost>();
let searches = { second: 0, count: 0 };

export function recallHost(hostId: string): KnownHost | undefined {
  return remembered.get(hostId);
}

export function rememberHost(hostId: string, host: KnownHost): void {
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(hostId, host);
}

export function forgetHost(hostId: string): void {
  remembered.delete(hostId);
}

/** The host as this isolate remembers it, else as the cells say; undefined for one nobody registered. */
export async function findHost(c: Context<HonoEnv>, hostId: string): Promise<KnownHost | undefined> {
  return remembered.get(hostId) ?? (await lookUpHost(c, hostId, undefined));
}

/** The host as the cells say now: the one it names first, then all others. */
export async function lookUpHost(
  c: Context<HonoEnv>,
  hostId: string,
  named: string | undefined,
): Promise<KnownHost | undefined> {
  const { CELLS } = c.var.prepared.settings;
  const [only] = CELLS;
  const hinted = CELLS.length === 1 ? only : CELLS.find(({ name }) => name === named);
  const key = hinted === undefined ? undefined : await cellOf(c.env, hinted).readHostKey(hostId);
  if (hinted !== undefined && key !== undefined) return keep(hostId, { site: hinted, key });
  const others = CELLS.filter((site) => site !== hinted);
  if (others.length === 0 || !maySearch(Date.now())) return undefined;
  const found = await askAll(c, others, async (cell, site) => {
    const registered = await cell.readHostKey(hostId);
    return registered === undefined ? undefined : { site, key: registered };
  });
  const host = found.find((entry) => entry !== undefined);
  return host === undefined ? undefined : keep(hostId, host);
}

function keep(hostId: string, host: KnownHost): KnownHost {
  rememberHost(hostId, host);
  return host;
}

function maySearch(now: number): boolean {
  const second = Math.floor(now / 1000);
  searches = second === searches.second ? { second, count: searches.count + 1 } : { second, count: 1 };
  return searches.count <= SEARCHES_PER_SECOND;
}
