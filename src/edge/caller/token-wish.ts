// What an operator wants in a new token, read from the body of the route that issues them.
import * as z from "zod";
import { ADMIN_TOKEN_DEFAULT_TTL_MS, ADMIN_TOKEN_MAX_TTL_MS } from "../../auth/admin-token.ts";
import { CLIENT_TOKEN_DEFAULT_TTL_MS, CLIENT_TOKEN_MAX_TTL_MS, clientClaimsSchema } from "../../auth/client-token.ts";
import { durationSetting } from "../../wire/duration.ts";
import type { Result } from "../../wire/result.ts";

const clientWish = clientClaimsSchema
  .omit({ jti: true, iat: true, exp: true })
  .partial()
  .required({ sub: true })
  .extend({ role: z.literal("client"), expires: durationSetting.optional() });
const adminWish = z.object({
  role: z.literal("admin"),
  sub: z.string().min(1).max(200),
  scopes: z.array(z.enum(["*", "read", "hosts", "tokens"])).optional(),
  expires: durationSetting.optional(),
});
/** A token to issue: its role, whom it speaks for, and limits; `expires` is a duration such as 30d. */
const wishSchema = z.discriminatedUnion("role", [clientWish.strict(), adminWish.strict()]);
type Wished = z.infer<typeof wishSchema>;

export type TokenClaims =
  | Omit<Extract<Wished, { role: "client" }>, "expires">
  | Omit<Extract<Wished, { role: "admin" }>, "expires">;
export type TokenWish = TokenClaims & { readonly ttlMs: number };

const LIFETIMES = {
  admin: { defaultMs: ADMIN_TOKEN_DEFAULT_TTL_MS, maxMs: ADMIN_TOKEN_MAX_TTL_MS },
  client: { defaultMs: CLIENT_TOKEN_DEFAULT_TTL_MS, maxMs: CLIENT_TOKEN_MAX_TTL_MS },
} as const;

/** Reads the body, or says in one line what is wrong with it. */
export function readWish(body: Uint8Array): Result<TokenWish, string> {
  const parsed = wishSchema.safeParse(parse(body));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { ok: false, error: `${issue?.path.join(".") || "body"}: ${issue?.message ?? "wrong shape"}` };
  }
  const { expires, ...claims } = parsed.data;
  const { defaultMs, maxMs } = LIFETIMES[claims.role];
  const ttlMs = expires ?? defaultMs;
  if (ttlMs < 1_000 || ttlMs > maxMs) return { ok: false, error: "expires: out of bounds for the role" };
  return { ok: true, value: { ...claims, ttlMs } };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
