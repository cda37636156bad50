// The one way a token is signed: the counterpart of verify-token.
import type { CryptoKey } from "jose";
import { SignJWT } from "jose";

export interface SigningProfile {
  readonly key: CryptoKey;
  readonly algorithm: "EdDSA" | "HS256";
  readonly kid: string | undefined;
  readonly typ: string;
  readonly audience: string;
  readonly issuer: string;
  readonly maxTtlMs: number;
}

export interface SignedClaims {
  readonly jti: string;
  readonly sub: string;
  /** Seconds. */
  readonly iat: number;
  /** Seconds. */
  readonly exp: number;
  readonly [claim: string]: unknown;
}

/** Signs claims; throws RangeError for a lifetime that no verifier would accept. */
export async function signToken(claims: SignedClaims, profile: SigningProfile): Promise<string> {
  const ttlMs = (claims.exp - claims.iat) * 1000;
  if (!(ttlMs > 0 && ttlMs <= profile.maxTtlMs + 0.5)) {
    throw new RangeError(`a ${profile.typ} lives at most ${profile.maxTtlMs / 1000} s and ends after it begins`);
  }
  const { kid } = profile;
  return new SignJWT({ ...claims, iss: profile.issuer, aud: profile.audience })
    .setProtectedHeader({ alg: profile.algorithm, typ: profile.typ, ...(kid === undefined ? {} : { kid }) })
    .sign(profile.key);
}

/** Now as a NumericDate in whole seconds. */
export function toSeconds(epochMs: number): number {
  return Math.floor(epochMs / 1000);
}
