// Client tokens: what a tenant presents to the edge.
import * as z from "zod";
import type { Result } from "../wire/result.ts";
import { poolSchema, secondsSchema, subjectSchema, tokenIdSchema } from "./claims.ts";
import { keyNamedBy } from "./keys.ts";
import type { HiveKeys } from "./keys.ts";
import { signToken, toSeconds } from "./sign-token.ts";
import { verifyToken } from "./verify-token.ts";
import type { TokenError, VerifyOptions } from "./verify-token.ts";

const TYP = "hive-client+jwt";
const AUDIENCE = "hive:edge";
const DAY_MS = 86_400_000;
/** A year and a leap day: revocation bites within seconds, so the operator chooses the lifetime. */
export const CLIENT_TOKEN_MAX_TTL_MS = 366 * DAY_MS;
export const CLIENT_TOKEN_DEFAULT_TTL_MS = 30 * DAY_MS;

/** manage opens the management of models; scale, for autoscalers, reading what is wanted. */
export const clientScopeSchema = z.enum(["inference", "manage", "scale"]);

/** Claims of a client token. */
export const clientClaimsSchema = z.object({
  jti: tokenIdSchema,
  sub: subjectSchema.describe("The tenant."),
  iat: secondsSchema,
  exp: secondsSchema,
  scope: z.array(clientScopeSchema).min(1).max(3).default(["inference"]),
  models: z.array(z.string().min(1).max(300)).max(64).default(["*"]).describe("Globs of models the token may use."),
  priority: z.enum(["low", "normal", "high"]).default("normal").describe("Highest priority the token may ask for."),
  pool: poolSchema.default("default"),
  rpm: z.int().positive().optional().describe("Requests per minute."),
  tokensPerDay: z.int().positive().optional().describe("Tokens, in and out, per day."),
  concurrent: z.int().positive().optional().describe("Requests that run or wait at once."),
  loads: z.int().nonnegative().optional().describe("Loads of models per 10 minutes; 30 if absent."),
  maxOutput: z.int().positive().optional().describe("Most tokens of one answer."),
  url: z.boolean().optional().describe("True for a token that may stand in a path, /k/KEY/."),
  ollamaKey: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .optional()
    .describe("Ed25519 key of an Ollama installation: the token is good with a signature of that key alone."),
  hosts: z.boolean().optional().describe("True for a token that may address one host by its id."),
});
export type ClientClaims = z.infer<typeof clientClaimsSchema>;

/** Claims to issue: what is left out gets the default of its schema, a fresh jti, and 30 days. */
export interface ClientTokenRequest extends Partial<ClientClaims>, VerifyOptions {
  readonly sub: string;
}

/** Signs a client token; throws where a claim is out of its bounds. */
export async function issueClientToken(keys: Pick<HiveKeys, "client">, request: ClientTokenRequest): Promise<string> {
  const { issuer, now, ...wanted } = request;
  const iat = wanted.iat ?? toSeconds(now);
  const exp = wanted.exp ?? iat + CLIENT_TOKEN_DEFAULT_TTL_MS / 1000;
  const claims = clientClaimsSchema.parse({ ...wanted, jti: wanted.jti ?? crypto.randomUUID(), iat, exp });
  return signToken(claims, {
    key: keys.client.privateKey,
    algorithm: "EdDSA",
    kid: keys.client.kid,
    typ: TYP,
    audience: AUDIENCE,
    issuer,
    maxTtlMs: CLIENT_TOKEN_MAX_TTL_MS,
  });
}

/** Verifies a client token; never throws. */
export async function verifyClientToken(
  keys: Pick<HiveKeys, "client">,
  token: string,
  options: VerifyOptions,
): Promise<Result<ClientClaims, TokenError>> {
  const key = keyNamedBy(keys.client, token);
  return verifyToken(token, {
    issuer: options.issuer,
    now: options.now,
    key: key.publicKey,
    algorithm: "EdDSA",
    kid: key.kid,
    typ: TYP,
    audience: AUDIENCE,
    maxTtlMs: CLIENT_TOKEN_MAX_TTL_MS,
    claims: clientClaimsSchema,
  });
}
