// What the Worker is given from outside, and what one isolate prepares from it once.
import type { HiveKeys } from "../auth/keys.ts";
import { importHiveKeys } from "../auth/keys.ts";
import type { CellRpc } from "../wire/cell-rpc.ts";
import type { CellSite } from "../wire/cells.ts";
import type { DirectoryRpc } from "../wire/directory-rpc.ts";
import type { Principal } from "../wire/lease.ts";
import { readSettings } from "../wire/settings.ts";
import { readTunnelAccess } from "../wire/tunnel-access.ts";
import { knowIssuers } from "./caller/issuers.ts";
import type { KnownIssuer } from "./caller/issuers.ts";
import type { Settings } from "../wire/settings.ts";
import type { HashKey } from "../wire/keyed-hash.ts";

export interface Env {
  readonly CELL: DurableObjectNamespace;
  readonly DIRECTORY: DurableObjectNamespace;
  readonly HIVE_KEYS?: string;
  readonly [name: string]: unknown;
}

/** A client or an operator, as its verified token says. */
export interface Caller {
  readonly role: "client" | "admin";
  readonly principal: Principal;
  readonly models: readonly string[];
  readonly scopes: readonly string[];
  /** Most tokens of one answer, where the token has a cap. */
  readonly maxOutput?: number | undefined;
  /** When the token was issued, epoch ms. */
  readonly issuedAt: number;
}

export interface Prepared {
  /** Headers in which issuers' proxies put their tokens. */
  readonly assertedIn: readonly string[];
  /** By the `iss` of their tokens. */
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
  /** What an Access policy in front of the tunnels asks for; empty where there is none. */
  readonly tunnelHeaders: Readonly<Record<string, string>>;
  readonly settings: Settings;
  readonly keys: HiveKeys;
  /** For hashes of prompts; as secret as the keys it comes from. */
  readonly prefixKey: HashKey;
}

export interface HonoEnv {
  Bindings: Env;
  /** `about`: for the audit log, what a request changes where its path does not tell. */
  Variables: { prepared: Prepared; requestId: string; caller: Caller; about?: string };
}

let prepared: { readonly env: Env; readonly value: Promise<Prepared> } | undefined;

/** Settings and keys of this isolate, read once. Rejects with the name of the bad variable, never with its value. */
export function prepare(env: Env): Promise<Prepared> {
  if (prepared?.env !== env) prepared = { env, value: readEnvironment(env) };
  return prepared.value;
}

async function readEnvironment(env: Env): Promise<Prepared> {
  const settings = readSettings(env);
  if (!settings.ok) throw new Error(settings.error);
  if (env.HIVE_KEYS === undefined || env.HIVE_KEYS === "") throw new Error("HIVE_KEYS: missing; run `npx hive init`");
  const keys = await importHiveKeys(env.HIVE_KEYS);
  if (!keys.ok) throw new Error(`HIVE_KEYS: ${keys.error}`);
  const tunnelHeaders = readTunnelAccess(env["TUNNEL_ACCESS"]);
  if (!tunnelHeaders.ok) throw new Error(tunnelHeaders.error);
  return {
    settings: settings.value,
    keys: keys.value,
    prefixKey: await derivePrefixKey(env.HIVE_KEYS),
    issuers: knowIssuers(settings.value),
    assertedIn: settings.value.TRUSTED_ISSUERS.flatMap(({ header }) => (header === undefined ? [] : [header])),
    tunnelHeaders: tunnelHeaders.value,
  };
}

async function derivePrefixKey(secret: string): Promise<HashKey> {
  const bytes = new TextEncoder().encode(`hive prompt prefixes\n${secret}`);
  const view = new DataView(await crypto.subtle.digest("SHA-256", bytes));
  return [view.getUint32(0), view.getUint32(4)];
}

/** A cell by its site; a new stub per use, for a stub is broken after an infrastructure error. */
export function cellOf(env: Env, { name, region }: CellSite): CellRpc {
  // A hint counts only when the object is made; from then on it stays where it is.
  const options = region === "any" ? {} : { locationHint: region };
  // The namespace is declared without its class (the edge knows the cell by its verbs alone), hence the one cast.
  return env.CELL.getByName(name, options) as DurableObjectStub & CellRpc;
}

/** The one directory of the Hive: tokens, revocations, audit. */
export function directoryOf(env: Env): DirectoryRpc {
  return env.DIRECTORY.getByName("directory") as DurableObjectStub & DirectoryRpc;
}
