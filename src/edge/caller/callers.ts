// Turns a token into a caller. A verified token is remembered per isolate until it expires: one signature check, not one per request.
import { verifyAdminToken } from "../../auth/admin-token.ts";
import { verifyClientToken } from "../../auth/client-token.ts";
import { issuerOf, verifyTrustedToken } from "../../auth/trusted-token.ts";
import type { TokenRecord } from "../../wire/directory-rpc.ts";
import type { Credential } from "./credentials.ts";
import type { Caller, Prepared } from "../env.ts";
import type { KnownIssuer } from "./issuers.ts";

/** Most verified tokens remembered; beyond it the oldest goes. About 1 KB each. */
const REMEMBERED_MAX = 5_000;

interface Remembered {
  readonly caller: Caller;
  readonly record: TokenRecord;
  readonly inPath: boolean;
  /** Key without whose signature the token is worth nothing. */
  readonly boundTo: string | undefined;
  /** Header that alone may carry it. */
  readonly assertedIn?: string | undefined;
}

export interface FoundCaller {
  readonly caller: Caller;
  /** Set the first time that this isolate sees the token. */
  readonly firstSeen?: TokenRecord;
}

export interface Judge {
  readonly now: number;
  readonly isRevoked: (caller: Caller) => Promise<boolean>;
  /** False where no more signatures are checked for whoever asks. */
  readonly mayVerify: () => boolean;
}

const remembered = new Map<string, Remembered>();

/** The caller behind the first credential that is valid and not revoked, or undefined. */
export async function findCaller(
  prepared: Prepared,
  credentials: readonly Credential[],
  { now, isRevoked, mayVerify }: Judge,
): Promise<FoundCaller | undefined> {
  for (const credential of credentials) {
    const { token } = credential;
    const before = remembered.get(token);
    const known = before ?? (mayVerify() ? await verify(prepared, token, now) : undefined);
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
function isInPlace(credential: Credential, { inPath, boundTo, assertedIn }: Remembered): boolean {
  if (credential.from === "assertion") return assertedIn === credential.header;
  if (assertedIn !== undefined) return false;
  if (credential.from === "signature") return boundTo === credential.key;
  return boundTo === undefined && (credential.from !== "path" || inPath);
}

async function verify(prepared: Prepared, token: string, now: number): Promise<Remembered | undefined> {
  const other = prepared.issuers.size === 0 ? undefined : prepared.issuers.get(issuerOf(token) ?? "");
  if (other !== undefined) return await verifyOther(other, token, now);
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

async function verifyOther(
  { trusted, keys }: KnownIssuer,
  token: string,
  now: number,
): Promise<Remembered | undefined> {
  const verified = await verifyTrustedToken(trusted, keys, token, now);
  if (!verified.ok) return undefined;
  const { tokenId, tenant, issuedAt, expiresAt, ...rest } = verified.value;
  const seconds = { iat: issuedAt / 1000, exp: expiresAt / 1000 };
  const priority = rest.role === "admin" ? "high" : "normal";
  return describe(
    { jti: tokenId, sub: tenant, ...seconds, ...rest, priority },
    { ...UNBOUND, assertedIn: trusted.header },
  );
}

type Place = Pick<Remembered, "inPath" | "boundTo" | "assertedIn">;
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
