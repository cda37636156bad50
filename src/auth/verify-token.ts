// The one way a token is verified: everything about it is pinned by the caller, nothing is taken from its header (RFC 8725).
import type { CryptoKey } from "jose";
import { base64url, decodeProtectedHeader, errors, jwtVerify } from "jose";
import * as z from "zod";
import type { Result } from "../wire/result.ts";
import { secondsSchema, subjectSchema, tokenIdSchema } from "./claims.ts";

/** Why a token was refused. The reason is for logs: a client sees one answer for all causes. */
export interface TokenError {
  readonly code: "malformed" | "expired" | "invalid";
  readonly reason: string;
}

/** What every kind of token is verified against. */
export interface VerifyOptions {
  readonly issuer: string;
  /** Epoch ms. */
  readonly now: number;
}

/** All that a kind of token fixes in advance. */
export interface TokenProfile<Claims> extends VerifyOptions {
  readonly key: CryptoKey;
  readonly algorithm: "EdDSA" | "HS256";
  /** Id the header must name; undefined for a kind that has one key and names none. */
  readonly kid: string | undefined;
  readonly typ: string;
  readonly audience: string;
  readonly maxTtlMs: number;
  readonly claims: z.ZodType<Claims>;
}

/** Longest token looked at. Checked before anything is decoded, so that length costs an attacker more than us. */
export const TOKEN_MAX_CHARS = 4096;
/** Difference between two clocks that is forgiven, in each direction. */
export const CLOCK_TOLERANCE_MS = 30_000;

const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const REQUIRED_CLAIMS = ["iss", "aud", "sub", "exp", "iat", "jti"];

const envelopeSchema = z.object({
  sub: subjectSchema,
  jti: tokenIdSchema,
  iat: secondsSchema,
  exp: secondsSchema,
});

/** Verifies a token against a profile and returns its claims; never throws. */
export async function verifyToken<Claims>(
  token: string,
  profile: TokenProfile<Claims>,
): Promise<Result<Claims, TokenError>> {
  const unfit = rejectProfile(profile);
  if (unfit !== undefined) return refuse("invalid", unfit);
  try {
    const malformed = rejectForm(token) ?? rejectHeader(token, profile);
    if (malformed !== undefined) return malformed;
    const { payload } = await jwtVerify(token, profile.key, {
      algorithms: [profile.algorithm],
      issuer: profile.issuer,
      audience: profile.audience,
      typ: profile.typ,
      requiredClaims: REQUIRED_CLAIMS,
      clockTolerance: CLOCK_TOLERANCE_MS / 1000,
      currentDate: new Date(profile.now),
    });
    return checkClaims(payload, profile);
  } catch (error) {
    return describeFailure(error);
  }
}

// jose skips the check of an empty issuer, and no comparison with NaN is ever true: both would open the gate.
function rejectProfile(profile: TokenProfile<unknown>): string | undefined {
  if (!profile.issuer) return "no issuer to check against";
  if (!Number.isFinite(profile.now)) return "no time to check against";
  return undefined;
}

function rejectForm(token: string): { ok: false; error: TokenError } | undefined {
  if (typeof token !== "string" || token.length === 0) return refuse("malformed", "no token");
  if (token.length > TOKEN_MAX_CHARS) return refuse("malformed", `longer than ${TOKEN_MAX_CHARS} characters`);
  if (!COMPACT_JWS.test(token)) return refuse("malformed", "not three parts of base64url");
  // Spare bits in the last character would give one signature several spellings.
  const signature = token.slice(token.lastIndexOf(".") + 1);
  if (base64url.encode(base64url.decode(signature)) !== signature) {
    return refuse("malformed", "signature is not canonical base64url");
  }
  return undefined;
}

// A strict header leaves no room for jwk, jku, x5u, x5c, crit or b64: a key or a rule the sender brings along.
function rejectHeader(token: string, profile: TokenProfile<unknown>): { ok: false; error: TokenError } | undefined {
  const { kid } = profile;
  const schema = z.strictObject({
    alg: z.literal(profile.algorithm),
    typ: z.literal(profile.typ),
    ...(kid === undefined ? {} : { kid: z.literal(kid) }),
  });
  const header = schema.safeParse(decodeProtectedHeader(token));
  return header.success ? undefined : refuse("invalid", `header: ${describeIssue(header.error)}`);
}

function checkClaims<Claims>(payload: object, profile: TokenProfile<Claims>): Result<Claims, TokenError> {
  const envelope = envelopeSchema
    .extend({ iss: z.literal(profile.issuer), aud: z.literal(profile.audience) })
    .safeParse(payload);
  if (!envelope.success) return refuse("invalid", `claims: ${describeIssue(envelope.error)}`);
  const { iat, exp } = envelope.data;
  if (iat * 1000 > profile.now + CLOCK_TOLERANCE_MS) return refuse("invalid", "iat is in the future");
  // Half a millisecond of room: fractions of a second are not exact in binary.
  const ttlMs = (exp - iat) * 1000;
  if (ttlMs <= 0 || ttlMs > profile.maxTtlMs + 0.5) return refuse("invalid", "exp is too far from iat");
  const claims = profile.claims.safeParse(payload);
  if (!claims.success) return refuse("invalid", `claims: ${describeIssue(claims.error)}`);
  return { ok: true, value: claims.data };
}

function describeFailure(error: unknown): { ok: false; error: TokenError } {
  if (error instanceof errors.JWTExpired) return refuse("expired", "expired");
  if (error instanceof errors.JWTClaimValidationFailed) return refuse("invalid", `${error.claim}: ${error.reason}`);
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return refuse("malformed", error.code);
  if (error instanceof errors.JOSEError) return refuse("invalid", error.code);
  return refuse("malformed", error instanceof Error ? error.name : "unreadable");
}

function describeIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue === undefined ? "unreadable" : `${issue.path.join(".") || "object"} ${issue.code}`;
}

function refuse(code: TokenError["code"], reason: string): { ok: false; error: TokenError } {
  return { ok: false, error: { code, reason } };
}
