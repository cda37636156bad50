// Host tokens: a host's signature over one heartbeat (or over its join), under the host's own key.
import type { CryptoKey } from "jose";
import * as z from "zod";
import { hostIdSchema } from "../wire/host.ts";
import type { PublicKey } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import { runIdSchema, secondsSchema, sha256Schema } from "./claims.ts";
import {
  generatePrivateKey,
  importAgreementKey,
  importSigningPair,
  importVerifyingKey,
  privateKeySchema,
  publicHalf,
  thumbprintOf,
} from "./key-pair.ts";
import { signToken } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-host+jwt";
const AUDIENCE = "hive:hosts";
/** One heartbeat's journey, with room for a slow line. */
export const HOST_TOKEN_MAX_TTL_MS = 30_000;

/** The private keys of one host, made by its agent; they never leave it. */
const hostKeysSchema = z.object({
  signing: privateKeySchema.extend({ crv: z.literal("Ed25519") }).describe("Signs heartbeats."),
  agreement: privateKeySchema.extend({ crv: z.literal("X25519") }).describe("The host's half of the leg's key."),
});
export type HostKeysJson = z.infer<typeof hostKeysSchema>;

export interface HostKeys {
  /** RFC 7638 thumbprint of the signing key. */
  readonly kid: string;
  readonly signingPrivateKey: CryptoKey;
  readonly agreementPrivateKey: CryptoKey;
  /** Public half, as the host registers it. */
  readonly signingKey: PublicKey;
  /** Public half, as the host registers it. */
  readonly agreementKey: PublicKey;
}

export interface HostClaims {
  readonly hostId: string;
  readonly runId: string;
  readonly sequence: number;
  /** SHA-256 of the exact body the token came with; the receiver compares. */
  readonly bodySha256: string;
  readonly issuedAtMs: number;
}

const hostClaimsSchema = z
  .object({
    sub: hostIdSchema,
    runId: runIdSchema,
    sequence: z.int().nonnegative(),
    bodySha256: sha256Schema,
    iat: secondsSchema,
  })
  .transform(({ sub, runId, sequence, bodySha256, iat }): HostClaims => ({
    hostId: sub,
    runId,
    sequence,
    bodySha256,
    issuedAtMs: Math.round(iat * 1000),
  }));

/** Makes the two key pairs of a host. */
export async function generateHostKeys(): Promise<HostKeysJson> {
  const [signing, agreement] = await Promise.all([generatePrivateKey("Ed25519"), generatePrivateKey("X25519")]);
  return { signing: { ...signing, crv: "Ed25519" }, agreement: { ...agreement, crv: "X25519" } };
}

/** Imports a host's keys from their JSON, as text or parsed; the error is one line without key material. */
export async function importHostKeys(json: string | HostKeysJson): Promise<Result<HostKeys, string>> {
  const parsed = hostKeysSchema.safeParse(typeof json === "string" ? parseJson(json) : json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join(".") || "not a JSON object";
    return { ok: false, error: `host keys: not a pair of Ed25519 and X25519 private keys (${where})` };
  }
  const { signing, agreement } = parsed.data;
  try {
    const { privateKey } = await importSigningPair(signing);
    const signingKey = publicHalf(signing);
    return {
      ok: true,
      value: {
        kid: await thumbprintOf(signingKey),
        signingPrivateKey: privateKey,
        agreementPrivateKey: await importAgreementKey(agreement),
        signingKey,
        agreementKey: publicHalf(agreement),
      },
    };
  } catch {
    // The runtime's own message may quote key material.
    return { ok: false, error: "host keys: a private key does not belong to its public half" };
  }
}

/** Signs one heartbeat. `now` is epoch ms and keeps its milliseconds, so that beats of one second differ. */
export async function signHostToken(
  keys: Pick<HostKeys, "kid" | "signingPrivateKey">,
  claims: Omit<HostClaims, "issuedAtMs"> & VerifyOptions,
): Promise<string> {
  const { hostId, runId, sequence, bodySha256, issuer, now } = claims;
  const iat = now / 1000;
  return signToken(
    {
      jti: `${runId}.${sequence}`,
      sub: hostId,
      iat,
      exp: iat + HOST_TOKEN_MAX_TTL_MS / 1000,
      runId,
      sequence,
      bodySha256,
    },
    {
      key: keys.signingPrivateKey,
      algorithm: "EdDSA",
      kid: keys.kid,
      typ: TYP,
      audience: AUDIENCE,
      issuer,
      maxTtlMs: HOST_TOKEN_MAX_TTL_MS,
    },
  );
}

/** Verifies a host's token under its registered key; never throws. The caller compares body, run and sequence. */
export async function verifyHostToken(
  publicKey: PublicKey,
  token: string,
  options: VerifyOptions & { readonly hostId: string },
): Promise<Result<HostClaims, TokenError>> {
  let key: CryptoKey;
  let kid: string;
  try {
    key = await importVerifyingKey(publicKey);
    kid = await thumbprintOf(publicKey);
  } catch {
    return { ok: false, error: { code: "invalid", reason: "the host's registered key cannot be used" } };
  }
  const verified = await verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key,
    algorithm: "EdDSA",
    kid,
    typ: TYP,
    audience: AUDIENCE,
    maxTtlMs: HOST_TOKEN_MAX_TTL_MS,
    claims: hostClaimsSchema,
  });
  if (verified.ok && verified.value.hostId !== options.hostId) {
    return { ok: false, error: { code: "invalid", reason: "sub is another host" } };
  }
  return verified;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
