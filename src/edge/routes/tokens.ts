// Tokens, for operators: issued here, listed with those that were seen, and revoked; and the audit log.
import type { Context } from "hono";
import { issueAdminToken } from "../../auth/admin-token.ts";
import { issueClientToken } from "../../auth/client-token.ts";
import { directoryOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { readBody } from "../body/read-body.ts";
import { refuse } from "../refuse.ts";
import { forgetRevocations } from "../caller/revocations.ts";
import { readWish } from "../caller/token-wish.ts";
import type { TokenClaims, TokenWish } from "../caller/token-wish.ts";

const BODY_MAX_BYTES = 16_384;
const AUDIT_SHOWN = 1_000;
/** Of tokens of other issuers ids and names carry the issuer's own name before them. */
const NAME_MAX_CHARS = 600;

/** Issues a token; its text is in this answer and nowhere else. */
export async function issueToken(c: Context<HonoEnv>): Promise<Response> {
  const read = await readBody(c.req.raw, BODY_MAX_BYTES);
  const wish = readWish(read.ok ? read.value : new Uint8Array(0));
  if (!wish.ok) return bad(wish.error);
  const { role, ttlMs } = wish.value;
  if (role === "admin" && !isWithin(c, wish.value.scopes ?? ["*"]))
    return refuse("hive", { code: "forbidden", message: "a token cannot give more than it may itself" });
  return await issue(c, wish.value, ttlMs);
}

async function issue(c: Context<HonoEnv>, { ttlMs: _ttlMs, ...claims }: TokenWish, ttlMs: number): Promise<Response> {
  const { keys, settings } = c.var.prepared;
  const now = Date.now();
  const iat = Math.floor(now / 1000);
  const exp = Math.floor((now + ttlMs) / 1000);
  const jti = crypto.randomUUID();
  c.set("about", `${claims.role} ${claims.sub} ${jti}`);
  const common = { jti, iat, exp, issuer: settings.HIVE_ISSUER, now };
  const token =
    claims.role === "admin"
      ? await issueAdminToken(keys, { ...common, sub: claims.sub, ...defined({ scopes: claims.scopes }) })
      : await issueClientToken(keys, { ...common, ...defined(withoutRole(claims)), sub: claims.sub });
  await directoryOf(c.env).noteToken({ ...recordOf(claims), id: jti, issuedAt: iat * 1000, expiresAt: exp * 1000 });
  const issued = { id: jti, sub: claims.sub, role: claims.role, expiresAt: exp * 1000 };
  const key = claims.role === "client" ? claims.ollamaKey : undefined;
  if (key === undefined) return c.json({ ...issued, token }, 201);
  // The signature stands for the token, whose text is of no use to anybody.
  await directoryOf(c.env).registerOllamaKey({ key, token }, exp * 1000);
  forgetRevocations();
  return c.json(issued, 201);
}

export async function listTokens(c: Context<HonoEnv>): Promise<Response> {
  return c.json({ tokens: await directoryOf(c.env).listTokens() });
}

/** Revokes one token by its id, whether it has been seen or not. */
export async function revokeToken(c: Context<HonoEnv>): Promise<Response> {
  const id = c.req.param("id") ?? "";
  if (id.length > NAME_MAX_CHARS) return bad(`a token's id has at most ${NAME_MAX_CHARS} characters`);
  return c.json(await directoryOf(c.env).revoke({ kind: "token", id }));
}

/** Revokes all tokens of a tenant or operator that were issued until now. */
export async function revokeSub(c: Context<HonoEnv>): Promise<Response> {
  const sub = c.req.query("sub") ?? "";
  if (sub === "" || sub.length > NAME_MAX_CHARS) return bad("say whose tokens: ?sub=NAME");
  c.set("about", sub);
  return c.json(await directoryOf(c.env).revoke({ kind: "sub", id: sub }));
}

export async function readAudit(c: Context<HonoEnv>): Promise<Response> {
  return c.json({ entries: await directoryOf(c.env).readAudit(AUDIT_SHOWN) });
}

function isWithin(c: Context<HonoEnv>, scopes: readonly string[]): boolean {
  const own = c.var.caller.scopes;
  return own.includes("*") || scopes.every((scope) => own.includes(scope));
}

function recordOf(claims: TokenClaims) {
  if (claims.role === "admin") {
    const { role, sub, scopes = ["*"] } = claims;
    return { role, sub, scopes, models: ["*"], pool: "*", priority: "high" };
  }
  const { role, sub, scope = ["inference"], models = ["*"], pool = "default", priority = "normal" } = claims;
  return { role, sub, scopes: scope, models, pool, priority };
}

function withoutRole<Row extends { role: string }>({ role: _role, ...rest }: Row): Omit<Row, "role"> {
  return rest;
}

/** Without the members that are undefined. */
function defined<Row extends object>(row: Row): { [Key in keyof Row]?: Exclude<Row[Key], undefined> } {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Row]?: Exclude<Row[Key], undefined>;
  };
}

function bad(message: string): Response {
  return refuse("hive", { code: "bad_request", message });
}
