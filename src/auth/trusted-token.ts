// Tokens of other issuers: verified under their own keys, and what their claims mean here.
import type { JWTPayload } from "jose";
import { decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import type { Result } from "../wire/result.ts";
import { namespaceOf } from "../wire/trusted-issuers.ts";
import type { TrustedIssuer } from "../wire/trusted-issuers.ts";
import type { RemoteKeys } from "./remote-keys.ts";
import { CLOCK_TOLERANCE_MS } from "./verify-token.ts";

/** Groups make such tokens long; longer ones are not looked at. */
const TOKEN_MAX_CHARS = 16_384;
const MAX_TTL_SECONDS = 24 * 3600;
const LONGEST_NAME = 200;
const MOST_GLOBS = 64;

export interface TrustedClaims {
  readonly role: "client" | "admin";
  readonly scopes: readonly string[];
  readonly tokenId: string;
  readonly tenant: string;
  readonly models: readonly string[];
  readonly pool: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** The issuer that a token claims to be from, unverified: it decides whose keys judge it. */
export function issuerOf(token: string): string | undefined {
  if (token.length > TOKEN_MAX_CHARS) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** Verifies a token of a trusted issuer; never throws. */
export async function verifyTrustedToken(
  trusted: TrustedIssuer,
  keys: RemoteKeys,
  token: string,
  now: number,
): Promise<Result<TrustedClaims, string>> {
  if (token.length > TOKEN_MAX_CHARS) return { ok: false, error: "too long" };
  try {
    const { kid } = decodeProtectedHeader(token);
    const found = typeof kid === "string" ? await keys.find(kid) : undefined;
    if (found === undefined) return { ok: false, error: "no such key" };
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: [found.algorithm],
      issuer: trusted.issuer,
      audience: trusted.audience,
      requiredClaims: ["iss", "aud", "exp", "iat", trusted.tenant],
      clockTolerance: CLOCK_TOLERANCE_MS / 1000,
      currentDate: new Date(now),
    });
    return readClaims(trusted, payload, now);
  } catch (cause) {
    return { ok: false, error: cause instanceof Error ? cause.name : "unreadable" };
  }
}

function readClaims(trusted: TrustedIssuer, payload: JWTPayload, now: number): Result<TrustedClaims, string> {
  const { iat = Number.NaN, exp = Number.NaN, jti } = payload;
  if (!(exp > iat && exp - iat <= MAX_TTL_SECONDS)) return { ok: false, error: "it lives too long" };
  if (iat * 1000 > now + CLOCK_TOLERANCE_MS) return { ok: false, error: "iat is in the future" };
  const name = payload[trusted.tenant];
  if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME) return { ok: false, error: "no tenant" };
  const prefix = namespaceOf(trusted.issuer);
  // One that nobody could write down to revoke it is none.
  const hasId = typeof jti === "string" && jti !== "" && jti.length <= LONGEST_NAME;
  const tokenId = hasId ? `${prefix}/${jti}` : `${prefix}/${name}#${String(iat)}`;
  const instants = { issuedAt: iat * 1000, expiresAt: exp * 1000 };
  return { ok: true, value: { tokenId, tenant: `${prefix}/${name}`, ...instants, ...rightsOf(trusted, payload) } };
}

type Rights = Pick<TrustedClaims, "role" | "scopes" | "models" | "pool">;

function rightsOf({ role, models, pool }: TrustedIssuer, payload: JWTPayload): Rights {
  const roles = role === undefined ? [] : valuesOf(payload[role.claim]);
  if (roles.some((value) => role?.admin.includes(value)))
    return { role: "admin", scopes: ["*"], models: ["*"], pool: "*" };
  const mayManage = roles.some((value) => role?.manage.includes(value));
  const globs = models === undefined ? ["*"] : valuesOf(payload[models]).slice(0, MOST_GLOBS);
  return { role: "client", scopes: mayManage ? ["inference", "manage"] : ["inference"], models: globs, pool };
}

/** A list, or text with values between commas or spaces. */
function valuesOf(claim: unknown): string[] {
  if (typeof claim === "string") return claim.split(/[\s,]+/).filter((value) => value !== "");
  return Array.isArray(claim) ? claim.filter((value): value is string => typeof value === "string") : [];
}
