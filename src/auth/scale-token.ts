// Scale tokens: the edge's signature over one order for hosts, so that nobody else starts or stops machines.
import type { CryptoKey } from "jose";
import * as z from "zod";
import type { PublicKey } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import { secondsSchema, sha256Schema, subjectSchema, tokenIdSchema } from "./claims.ts";
import { importVerifyingKey } from "./key-pair.ts";
import type { HiveKeys } from "./keys.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-scale+jwt";
const AUDIENCE = "hive:scaler";
/** Time for the order to arrive; each try is signed anew. */
const SCALE_TOKEN_MAX_TTL_MS = 60_000;

/** Claims over one order; the order itself is the body. */
const scaleClaimsSchema = z.object({
  jti: tokenIdSchema,
  sub: subjectSchema,
  iat: secondsSchema,
  exp: secondsSchema,
  bodySha256: sha256Schema,
});
export type ScaleClaims = z.infer<typeof scaleClaimsSchema>;

/** The half of the signing key that a receiver needs. */
export interface ScaleKey {
  readonly kid: string;
  readonly publicKey: CryptoKey;
}

/** Signs an order's body with the key of invitations: both say which hosts there are. */
export async function issueScaleToken(
  keys: Pick<HiveKeys, "join">,
  bodySha256: string,
  { issuer, now }: VerifyOptions,
): Promise<string> {
  const iat = toSeconds(now);
  const claims = { jti: crypto.randomUUID(), sub: "scaler", iat, exp: iat + SCALE_TOKEN_MAX_TTL_MS / 1000, bodySha256 };
  return signToken(claims, {
    key: keys.join.privateKey,
    algorithm: "EdDSA",
    kid: keys.join.kid,
    typ: TYP,
    audience: AUDIENCE,
    issuer,
    maxTtlMs: SCALE_TOKEN_MAX_TTL_MS,
  });
}

/** Verifies an order's token; never throws. The caller compares the body. */
export async function verifyScaleToken(
  key: ScaleKey,
  token: string,
  options: VerifyOptions,
): Promise<Result<ScaleClaims, TokenError>> {
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key: key.publicKey,
    algorithm: "EdDSA",
    kid: key.kid,
    typ: TYP,
    audience: AUDIENCE,
    maxTtlMs: SCALE_TOKEN_MAX_TTL_MS,
    claims: scaleClaimsSchema,
  });
}

/** Picks the key that signs orders out of a published key set; undefined where it has none. */
export async function findScaleKey(
  published: readonly (PublicKey & { readonly kid: string })[],
): Promise<ScaleKey | undefined> {
  const found = published.find(({ kid, crv }) => kid.startsWith("join-") && crv === "Ed25519");
  return found && { kid: found.kid, publicKey: await importVerifyingKey(found) };
}
