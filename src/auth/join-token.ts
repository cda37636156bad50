// Join tokens: an operator's invitation of one host, with everything about it that the host must not choose itself.
import * as z from "zod";
import { hostIdSchema, macSchema } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import { poolSchema, secondsSchema, tokenIdSchema } from "./claims.ts";
import { keyNamedBy } from "./keys.ts";
import type { HiveKeys } from "./keys.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-join+jwt";
const AUDIENCE = "hive:join";
/** Time to carry an invitation to the host by hand. */
export const JOIN_TOKEN_MAX_TTL_MS = 3_600_000;

/** What an operator binds to a host. */
export const invitationSchema = z.object({
  hostId: hostIdSchema,
  url: z.string().max(300).refine(isOrigin).describe("Origin of the host: scheme, name, port; no path, no user."),
  pool: poolSchema,
  region: z.string().max(63).describe("Where the host stands; may be empty."),
  mac: macSchema.optional().describe("Of the machine, for waking it when it sleeps."),
  slots: z.int().positive().max(4096).optional().describe("Most requests at once, over what the host reports."),
});
export type Invitation = z.infer<typeof invitationSchema>;

/** Claims of a join token. Its single use is the cell's business: the jti is spent at the join. */
const joinClaimsSchema = invitationSchema
  .extend({ jti: tokenIdSchema, sub: hostIdSchema, iat: secondsSchema, exp: secondsSchema })
  .refine((claims) => claims.sub === claims.hostId);
export type JoinClaims = z.infer<typeof joinClaimsSchema>;

export interface JoinTokenOptions extends VerifyOptions {
  readonly jti?: string | undefined;
  /** Seconds; an hour from now if left out. */
  readonly exp?: number | undefined;
}

/** Signs an invitation; throws where it is out of its bounds. */
export async function issueJoinToken(
  keys: Pick<HiveKeys, "join">,
  invitation: Invitation,
  options: JoinTokenOptions,
): Promise<string> {
  const iat = toSeconds(options.now);
  const exp = options.exp ?? iat + JOIN_TOKEN_MAX_TTL_MS / 1000;
  const jti = options.jti ?? crypto.randomUUID();
  const claims = joinClaimsSchema.parse({ ...invitation, jti, sub: invitation.hostId, iat, exp });
  return signToken(claims, {
    key: keys.join.privateKey,
    algorithm: "EdDSA",
    kid: keys.join.kid,
    typ: TYP,
    audience: AUDIENCE,
    issuer: options.issuer,
    maxTtlMs: JOIN_TOKEN_MAX_TTL_MS,
  });
}

/** Verifies a join token; never throws. Whether it was used before is for the cell to say. */
export async function verifyJoinToken(
  keys: Pick<HiveKeys, "join">,
  token: string,
  options: VerifyOptions,
): Promise<Result<JoinClaims, TokenError>> {
  const key = keyNamedBy(keys.join, token);
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key: key.publicKey,
    algorithm: "EdDSA",
    kid: key.kid,
    typ: TYP,
    audience: AUDIENCE,
    maxTtlMs: JOIN_TOKEN_MAX_TTL_MS,
    claims: joinClaimsSchema,
  });
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === "https:" || url.protocol === "http:") && (url.origin === text || `${url.origin}/` === text);
}
