// What every request passes before its route: an id, this isolate's settings and keys, and the question who asks.
import type { Context, Next } from "hono";
import { createMiddleware } from "hono/factory";
import type { TokenRecord } from "../wire/directory-rpc.ts";
import type { Access, Route } from "../wire/routes.ts";
import { findRoute, mayEnter, methodsOf } from "./access.ts";
import { findCaller } from "./caller/callers.ts";
import type { FoundCaller } from "./caller/callers.ts";
import { readClientPath } from "./caller/client-path.ts";
import type { ClientPath } from "./caller/client-path.ts";
import { readCredentials } from "./caller/credentials.ts";
import type { Credential } from "./caller/credentials.ts";
import { isMeant } from "./cors.ts";
import { directoryOf, prepare } from "./env.ts";
import type { Caller, HonoEnv } from "./env.ts";
import { isGenuine, readOllamaSignature } from "./caller/ollama-signature.ts";
import { addressOf, blockedFor, HOSTS_FAILURES_MAX, noteFailure } from "./caller/failed-attempts.ts";
import { refuse, styleOf } from "./refuse.ts";
import { isRevoked, readRevocations } from "./caller/revocations.ts";
import { logLine } from "../wire/log-line.ts";

const NOTED_ADMIN_TTL_MS = 3_600_000;

/** Gives the request its id and the isolate's prepared keys; a bad variable is named in the log, not to the caller. */
export const prepareRequest = createMiddleware<HonoEnv>(async function prepareRequest(c, next) {
  c.set("requestId", crypto.randomUUID());
  try {
    c.set("prepared", await prepare(c.env));
  } catch (cause) {
    console.error(logLine({ event: "misconfigured", reason: cause instanceof Error ? cause.message : "unknown" }));
    return refuse(styleOf(c.req.path), { code: "misconfigured", message: "hive: misconfigured, see the log" });
  }
  return await next();
});

/** Lets in whom the route table lets in; what the table does not have is not there, whoever asks. */
export const guard = createMiddleware<HonoEnv>(async function guard(c, next) {
  const path = readClientPath(c.req.url);
  const route = findRoute(c.req.method, path.path);
  if (route !== undefined && OPEN.has(route.access)) return await letProve(c, route.access, next);
  const style = styleOf(path.path);
  const found = await identify(c, path);
  if (found instanceof Response) return found;
  if (found === undefined) {
    // Ollama's CLI hides the text of a 401 behind its own, and shows that of a 403.
    const cli = style === "ollama" && (c.req.header("user-agent") ?? "").startsWith("ollama/");
    return refuse(style, { code: cli ? "forbidden" : "unauthenticated", message: "hive: no valid token" });
  }
  if (route === undefined) return notThere(c, path.path);
  if (!mayEnter(route, found)) return refuse(style, { code: "forbidden", message: whyNotFor(route) });
  c.set("caller", found);
  return await next();
});

/** Whose token it is, if it is valid and not revoked. Without knowing what is revoked nobody gets in. */
async function identify(c: Context<HonoEnv>, path: ClientPath): Promise<Caller | Response | undefined> {
  const now = Date.now();
  const address = addressOf(c.req.raw);
  const waitSeconds = blockedFor(address, now);
  // No token in any place may still be an installation's signature, which stands there too.
  let isTried = c.req.header("authorization") !== undefined;
  let found: FoundCaller | undefined;
  try {
    const signer = waitSeconds === undefined ? await findSigner(c, path, now) : undefined;
    const own = readCredentials(c.req.raw.headers, path, isMeant(c) ? c.var.prepared.assertedIn : []);
    const credentials = [...own, ...(signer === undefined ? [] : [signer])];
    isTried ||= credentials.length > 0;
    found = await findCaller(c.var.prepared, credentials, {
      now,
      mayVerify: () => waitSeconds === undefined,
      isRevoked: async (caller) => isRevoked(await readRevocations(c.env, now), caller),
    });
  } catch {
    return refuse(styleOf(path.path), { code: "cell_unavailable", message: "hive: cannot check this token now" });
  }
  if (found === undefined) {
    if (!isTried) return undefined;
    if (waitSeconds !== undefined) return tooMany(path, waitSeconds);
    noteFailure(address, now);
    return undefined;
  }
  const { firstSeen } = found;
  if (firstSeen !== undefined && isWorthNoting(firstSeen))
    c.executionCtx.waitUntil(directoryOf(c.env).noteToken(firstSeen));
  return found.caller;
}

/** Invites and hosts' tokens are judged by their routes; here only how often that failed, for each host apart. */
async function letProve(c: Context<HonoEnv>, access: Access, next: Next): Promise<Response | void> {
  if (access === "none") return await next();
  const path = readClientPath(c.req.url);
  const address = addressOf(c.req.raw);
  const [own, all] = [`${address} ${path.path}`, `${address} hosts`];
  const waitSeconds = blockedFor(own, Date.now()) ?? blockedFor(all, Date.now(), HOSTS_FAILURES_MAX);
  if (waitSeconds !== undefined) return tooMany(path, waitSeconds);
  await next();
  // What is no JSON has proven nothing either.
  if (c.res.status === 401 || c.res.status === 400) for (const bucket of [own, all]) noteFailure(bucket, Date.now());
}

function tooMany(path: ClientPath, waitSeconds: number | undefined): Response {
  const message = "hive: too many failed attempts from this address";
  return refuse(styleOf(path.path), { code: "too_many_attempts", message, retryAfterSeconds: waitSeconds });
}

/** The token that stands for the Ollama installation that has signed the request. Nothing is computed for a key nobody registered. */
async function findSigner(c: Context<HonoEnv>, path: ClientPath, now: number): Promise<Credential | undefined> {
  const signed = readOllamaSignature(c.req.raw, path.path, now);
  if (signed === undefined) return undefined;
  const token = (await readRevocations(c.env, now)).ollamaKeys.get(signed.key);
  return token !== undefined && (await isGenuine(signed)) ? { from: "signature", key: signed.key, token } : undefined;
}

/** The command line makes a token of a few minutes for every call: a list of those would hide all others. */
function isWorthNoting({ role, issuedAt, expiresAt }: TokenRecord): boolean {
  return role === "client" || expiresAt - issuedAt > NOTED_ADMIN_TTL_MS;
}

/** What a caller with a valid token reads where it may not enter; `ollama` prints it as it stands. */
function whyNotFor({ access }: Route): string {
  return access === "manage"
    ? "hive: this token may not change models (one issued with --scope manage may)"
    : "hive: this route is for operators";
}

/** These routes ask for no token, or judge a proof of their own. */
const OPEN: ReadonlySet<Access> = new Set(["none", "invite", "host"]);

/** Ollama's words for a known path with another method, and for everything else; a problem under /hive. */
function notThere(c: Context<HonoEnv>, path: string): Response {
  const style = styleOf(path);
  if (style === "hive") return refuse(style, { code: "not_found", message: "no such route" });
  const allowed = methodsOf(path);
  return allowed.length === 0
    ? plain(c, 404, "404 page not found")
    : plain(c, 405, "405 method not allowed", { allow: allowed.join(", ") });
}

function plain(c: Context<HonoEnv>, status: 404 | 405, text: string, headers: Record<string, string> = {}): Response {
  return c.body(text, status, { "content-type": "text/plain", ...headers });
}
