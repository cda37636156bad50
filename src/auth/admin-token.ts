// Admin tokens: what an operator presents to the control plane.
import * as z from "zod";
import type { Result } from "../wire/result.ts";
import { scopeListSchema, secondsSchema, subjectSchema, tokenIdSchema } from "./claims.ts";
import { keyNamedBy } from "./keys.ts";
import type { HiveKeys } from "./keys.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-admin+jwt";
const AUDIENCE = "hive:admin";
export const ADMIN_TOKEN_MAX_TTL_MS = 24 * 3_600_000;
export const ADMIN_TOKEN_DEFAULT_TTL_MS = 15 * 60_000;

/** Claims of an admin token. */
export const adminClaimsSchema = z.object({
  jti: tokenIdSchema,
  sub: subjectSchema.describe("The operator."),
  iat: secondsSchema,
  exp: secondsSchema,
  scopes: scopeListSchema.default(["*"]).describe("What the operator may do; * is all."),
});
export type AdminClaims = z.infer<typeof adminClaimsSchema>;

/** Claims to issue: what is left out gets a fresh jti, all scopes and 15 minutes. */
export interface AdminTokenRequest extends Partial<AdminClaims>, VerifyOptions {
  readonly sub: string;
}

/** Signs an admin token; throws where a claim is out of its bounds. */
export async function issueAdminToken(keys: Pick<HiveKeys, "admin">, request: AdminTokenRequest): Promise<string> {
  const { issuer, now, ...wanted } = request;
  const iat = wanted.iat ?? toSeconds(now);
  const exp = wanted.exp ?? iat + ADMIN_TOKEN_DEFAULT_TTL_MS / 1000;
  const claims = adminClaimsSchema.parse({ ...wanted, jti: wanted.jti ?? crypto.randomUUID(), iat, exp });
  return signToken(claims, {
    key: keys.admin.privateKey,
    algorithm: "EdDSA",
    kid: keys.admin.kid,
    typ: TYP,
    audience: AUDIENCE,
    issuer,
    maxTtlMs: ADMIN_TOKEN_MAX_TTL_MS,
  });
}

/** Verifies an admin token; never throws. */
export async function verifyAdminToken(
  keys: Pick<HiveKeys, "admin">,
  token: string,
  options: VerifyOptions,
): Promise<Result<AdminClaims, TokenError>> {
  const key = keyNamedBy(keys.admin, token);
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key: key.publicKey,
    algorithm: "EdDSA",
    kid: key.kid,
    typ: TYP,
    audience: AUDIENCE,
    maxTtlMs: ADMIN_TOKEN_MAX_TTL_MS,
    claims: adminClaimsSchema,
  });
}
