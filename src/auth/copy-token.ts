// Copy tokens: the edge's leave for one host to fetch the files of one model from another, under the giver's own leg key.
import type { CryptoKey } from "jose";
import * as z from "zod";
import { hostIdSchema } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import { secondsSchema, tokenIdSchema } from "./claims.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-copy+jwt";
/** 100 GB over a network of 1 Gbit/s, and an order that lies until the next heartbeat. */
export const COPY_TOKEN_MAX_TTL_MS = 3_600_000;

/** Leave to read the files of one model. */
const copyClaimsSchema = z.object({
  jti: tokenIdSchema,
  sub: hostIdSchema.describe("The host that fetches."),
  iat: secondsSchema,
  exp: secondsSchema,
  model: z.string().min(1).max(500).describe("Canonical key of the one model whose files are opened."),
});
export type CopyClaims = z.infer<typeof copyClaimsSchema>;

/** Who may fetch what from whom. */
export interface CopyGrant extends VerifyOptions {
  readonly giver: string;
  readonly taker: string;
  readonly model: string;
}

/** Signs leave to copy a model. */
export async function issueCopyToken(
  legKeyOfGiver: CryptoKey,
  { giver, taker, model, issuer, now }: CopyGrant,
): Promise<string> {
  const iat = toSeconds(now);
  const exp = iat + COPY_TOKEN_MAX_TTL_MS / 1000;
  return signToken(
    { jti: crypto.randomUUID(), sub: taker, iat, exp, model },
    {
      key: legKeyOfGiver,
      algorithm: "HS256",
      kid: undefined,
      typ: TYP,
      audience: audienceOf(giver),
      issuer,
      maxTtlMs: COPY_TOKEN_MAX_TTL_MS,
    },
  );
}

/** Verifies leave to copy at the host that gives; never throws. */
export async function verifyCopyToken(
  legKey: CryptoKey,
  token: string,
  options: VerifyOptions & { readonly giver: string },
): Promise<Result<CopyClaims, TokenError>> {
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key: legKey,
    algorithm: "HS256",
    kid: undefined,
    typ: TYP,
    audience: audienceOf(options.giver),
    maxTtlMs: COPY_TOKEN_MAX_TTL_MS,
    claims: copyClaimsSchema,
  });
}

function audienceOf(giver: string): string {
  return `hive:copy:${giver}`;
}
