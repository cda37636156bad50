// Leg tokens: the edge's authority for one attempt at one host, under a key that only the two of them can derive.
import type { CryptoKey } from "jose";
import * as z from "zod";
import { hostIdSchema } from "../wire/host.ts";
import type { PublicKey } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import { runIdSchema, secondsSchema, sha256Schema, tokenIdSchema } from "./claims.ts";
import { importPeerKey } from "./key-pair.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-edge+jwt";
/** Time for the request's header to arrive; the work itself may take longer. */
export const LEG_TOKEN_MAX_TTL_MS = 30_000;

/** What one attempt may do. */
export const legClaimsSchema = z.object({
  hostId: hostIdSchema,
  runId: runIdSchema.describe("Start of the agent that is meant; another answers 421."),
  leaseId: z.string().min(1).max(100),
  attempt: z.int().positive().max(100),
  method: z
    .string()
    .regex(/^[A-Z]{1,10}$/)
    .describe("Method for Ollama; the leg itself is always POST."),
  path: z.string().startsWith("/").max(300),
  bodySha256: sha256Schema,
  model: z.string().max(500).optional().describe("Canonical model key."),
  runner: z.string().max(300).optional().describe("Runner options that the request sets; see wire/runner-options."),
  deadlineAt: z.number().positive().optional().describe("Epoch ms, the edge's clock."),
  scope: z.literal("manage").optional().describe("Opens the agent's routes of model management."),
});
export type LegClaims = z.infer<typeof legClaimsSchema>;

const verifiedLegSchema = legClaimsSchema
  .extend({ sub: hostIdSchema, jti: tokenIdSchema, exp: secondsSchema })
  .refine((claims) => claims.sub === claims.hostId && claims.jti === jtiOf(claims))
  .transform(({ exp, ...claims }) => ({ ...claims, expiresAt: Math.round(exp * 1000) }));
/** Claims with what a replay cache needs: the jti, and the epoch ms (edge's clock) until which it could come again. */
export type VerifiedLeg = z.infer<typeof verifiedLegSchema>;

/**
 * Derives the key of the leg to one host: X25519, then HKDF-SHA-256 with the host id as info (RFC 7748, RFC 5869).
 * Both ends get the same key from their own private and the other's public half. Throws for a peer key of small order.
 */
export async function deriveLegKey(ownPrivate: CryptoKey, peerPublic: PublicKey, hostId: string): Promise<CryptoKey> {
  const peer = await importPeerKey(peerPublic);
  const shared = await crypto.subtle.deriveBits({ name: "X25519", public: peer }, ownPrivate, 256);
  const secret = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode(`hive leg ${hostId}`);
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info },
    secret,
    { name: "HMAC", hash: "SHA-256", length: 256 },
    false,
    ["sign", "verify"],
  );
}

/** Signs the authority for one attempt, valid 30 s; throws where a claim is out of its bounds. */
export async function signLegToken(key: CryptoKey, request: LegClaims & VerifyOptions): Promise<string> {
  const { issuer, now, ...wanted } = request;
  const claims = legClaimsSchema.parse(wanted);
  const iat = toSeconds(now);
  return signToken(
    { ...claims, jti: jtiOf(claims), sub: claims.hostId, iat, exp: iat + LEG_TOKEN_MAX_TTL_MS / 1000 },
    {
      key,
      algorithm: "HS256",
      kid: undefined,
      typ: TYP,
      audience: audienceOf(claims.hostId),
      issuer,
      maxTtlMs: LEG_TOKEN_MAX_TTL_MS,
    },
  );
}

/** Verifies a leg token at the host it names; never throws. The caller compares run, method, path and body. */
export async function verifyLegToken(
  key: CryptoKey,
  token: string,
  options: VerifyOptions & { readonly hostId: string },
): Promise<Result<VerifiedLeg, TokenError>> {
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key,
    algorithm: "HS256",
    kid: undefined,
    typ: TYP,
    audience: audienceOf(options.hostId),
    maxTtlMs: LEG_TOKEN_MAX_TTL_MS,
    claims: verifiedLegSchema,
  });
}

function audienceOf(hostId: string): string {
  return `hive:host:${hostId}`;
}

function jtiOf(claims: Pick<LegClaims, "leaseId" | "attempt">): string {
  return `${claims.leaseId}.${claims.attempt}`;
}
