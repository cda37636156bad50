// Turns a token into a caller. A verified token is remembered per isolate until it expires: one signature check, not one per request.
import { verifyAdminToken } from "../auth/admin-token.ts";
import { verifyClientToken } from "../auth/client-token.ts";
import type { TokenRecord } from "../wire/directory-rpc.ts";
import type { Credential } from "./credentials.ts";
import type { Caller, Prepared } from "./env.ts";

/** Most verified tokens remembered; beyond it the oldest goes. About 1 KB each. */
const REMEMBERED_MAX = 5_000;

interface Remembered {
  readonly caller: Caller;
  readonly record: TokenRecord;
  readonly inPath: boolean;
  /** Key without whose signature the token is worth nothing. */
  readonly boundTo: string | undefined;
}

export interface FoundCaller {
  readonly caller: Caller;
  /** Set the first time that this isolate sees the token. */
  readonly firstSeen?: TokenRecord;
}

const remembered = new Map<string, Remembered>();

/** The caller behind the first credential that is valid and not revoked, or undefined. */
export async function findCaller(
  prepared: Prepared,
  credentials: readonly Credential[],
  { now, isRevoked }: { readonly now: number; readonly isRevoked: (caller: Caller) => Promise<boolean> },
): Promise<FoundCaller | undefined> {
  for (const credential of credentials) {
    const { token } = credential;
    const before = remembered.get(token);
    const known = before ?? (await verify(prepared, token, now));
    if (known === undefined) continue;
    if (known.record.expiresAt <= now) {
      remembered.delete(token);
      continue;
    }
    if (!isInPlace(credential, known) || (await isRevoked(known.caller))) continue;
    if (before !== undefined) return { caller: known.caller };
    remember(token, known);
    return { caller: known.caller, firstSeen: known.record };
  }
  return undefined;
}

/** A token in a path ends up in histories and logs of others: only those issued for it are taken there. One that is bound to a key is taken with its signature alone. */
function isInPlace(credential: Credential, { inPath, boundTo }: Remembered): boolean {
  if (credential.from === "signature") return boundTo === credential.key;
  return boundTo === undefined && (credential.from !== "path" || inPath);
}

async function verify(prepared: Prepared, token: string, now: number): Promise<Remembered | undefined> {
  const expected = { issuer: prepared.settings.HIVE_ISSUER, now };
  const client = await verifyClientToken(prepared.keys, token, expected);
  if (client.ok) {
    const { scope, url, hosts, ollamaKey, rpm, tokensPerDay, concurrent, loads } = client.value;
    const scopes = hosts === true ? [...scope, "hosts"] : scope;
    const limits = { rpm, tokensPerDay, concurrent, loads };
    const place = { inPath: url === true, boundTo: ollamaKey };
    return describe({ ...client.value, role: "client", scopes, limits }, place);
  }
  const admin = await verifyAdminToken(prepared.keys, token, expected);
  if (!admin.ok) return undefined;
  return describe({ ...admin.value, role: "admin", models: ["*"], priority: "high", pool: "*" }, UNBOUND);
}

type Place = Pick<Remembered, "inPath" | "boundTo">;
const UNBOUND: Place = { inPath: false, boundTo: undefined };

interface Verified extends Pick<Caller, "role" | "models" | "scopes" | "maxOutput"> {
  readonly jti: string;
  readonly sub: string;
  /** Seconds. */
  readonly iat: number;
  /** Seconds. */
  readonly exp: number;
  readonly priority: Caller["principal"]["priority"];
  readonly pool: string;
  readonly limits?: Caller["principal"]["limits"];
}

function describe({ jti, sub, iat, exp, ...rest }: Verified, place: Place): Remembered {
  const { role, models, scopes, priority, pool, limits, maxOutput } = rest;
  const issuedAt = iat * 1000;
  const principal = { tokenId: jti, tenant: sub, priority, pool, limits };
  return {
    caller: { role, principal, models, scopes, issuedAt, maxOutput },
    record: { id: jti, role, sub, scopes, models, pool, priority, issuedAt, expiresAt: exp * 1000 },
    ...place,
  };
}

function remember(token: string, known: Remembered): void {
  if (remembered.size >= REMEMBERED_MAX) {
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  }
  remembered.set(token, known);
}
