// The hosts' side: joining with an invite, and heartbeats signed with the key registered then.
import type { Context } from "hono";
import { sha256Base64Url } from "../../auth/digest.ts";
import { verifyHostToken } from "../../auth/host-token.ts";
import type { HostClaims } from "../../auth/host-token.ts";
import { verifyJoinToken } from "../../auth/join-token.ts";
import { heartbeatSchema } from "../../wire/heartbeat.ts";
import type { Heartbeat } from "../../wire/heartbeat.ts";
import { joinRequestSchema } from "../../wire/host.ts";
import type { HostRegistration, JoinAnswer } from "../../wire/host.ts";
import { isReached } from "../leg/agent-call.ts";
import { cellOf, directoryOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { forgetHost, lookUpHost, recallHost } from "../cells/host-cells.ts";
import type { KnownHost } from "../cells/host-cells.ts";
import { checkHostUrl } from "../leg/host-url.ts";
import { readBody } from "../body/read-body.ts";
import { withLeaves } from "../models/copy-leaves.ts";
import { refuse } from "../refuse.ts";
import { registerHost } from "../cells/register.ts";

/** Largest join or heartbeat body: 2,000 models with details. */
const HOST_BODY_MAX_BYTES = 4_000_000;

export async function joinHost(c: Context<HonoEnv>): Promise<Response> {
  const { keys, settings } = c.var.prepared;
  const invite = await verifyJoinToken(keys, bearerOf(c), { issuer: settings.HIVE_ISSUER, now: Date.now() });
  const hostId = c.req.param("id") ?? "";
  if (!invite.ok || invite.value.hostId !== hostId) return unauthenticated();
  const url = checkHostUrl(invite.value.url, settings, new URL(c.req.url).hostname);
  if (!url.ok) return refuse("hive", { code: "forbidden", message: url.error });
  const read = await readJson(c);
  const parsed = joinRequestSchema.safeParse(read?.json);
  if (!parsed.success) return refuse("hive", { code: "bad_request", message: "the join request has a wrong shape" });
  const { signingKey, agreementKey, proof } = parsed.data;
  const proven = await verifyHostToken(signingKey, proof, { hostId, issuer: settings.HIVE_ISSUER, now: Date.now() });
  const bound = await sha256Base64Url(new TextEncoder().encode(`${signingKey.x}.${agreementKey.x}`));
  if (!proven.ok || proven.value.bodySha256 !== bound) return unauthenticated();
  const { pool, region, slots, mac, jti } = invite.value;
  const registration = {
    id: hostId,
    url: url.value,
    pool,
    region,
    slots,
    mac,
    signingKey,
    agreementKey,
    registeredAt: Date.now(),
    guarded: true,
    edgeKey: keys.leg.publicJwk.x,
    drained: false,
  };
  const joined = await registerHost(c, registration, jti);
  if (!joined.ok) return refuse("hive", joined.error);
  c.executionCtx.waitUntil(recordJoin(c, hostId, jti));
  const answer: JoinAnswer = {
    hostId,
    edgeAgreementKey: keys.leg.publicJwk,
    issuer: settings.HIVE_ISSUER,
    heartbeatIntervalMs: settings.HEARTBEAT_INTERVAL,
    cell: joined.value.name,
    slots,
  };
  return c.json(answer);
}

export async function recordHeartbeat(c: Context<HonoEnv>): Promise<Response> {
  const hostId = c.req.param("id") ?? "";
  const read = await readJson(c);
  if (read === undefined) return refuse("hive", { code: "bad_request", message: "the heartbeat is not JSON" });
  const verified = await verifyBeat(c, hostId, read.json);
  if (verified === undefined || verified.claims.bodySha256 !== (await sha256Base64Url(read.bytes))) {
    return unauthenticated();
  }
  const parsed = heartbeatSchema.safeParse(read.json);
  if (!parsed.success || !sameBeat(parsed.data, verified.claims))
    return refuse("hive", { code: "bad_request", message: "the heartbeat has a wrong shape" });
  const verdict = await cellOf(c.env, verified.host.site).recordHeartbeat(hostId, parsed.data);
  if (verdict.ok) {
    if (verdict.prove !== undefined)
      c.executionCtx.waitUntil(proveHost(c, verified.host, verdict.prove, parsed.data.runId));
    return c.json(await withLeaves(c.var.prepared, hostId, verdict.answer));
  }
  if (verdict.code === "new_cell") return c.json({ code: verdict.code, memory: verdict.memory }, 409);
  // It was removed, or has moved: the next heartbeat looks for it anew.
  forgetHost(hostId);
  return verdict.code === "unknown_host"
    ? unauthenticated()
    : refuse("hive", {
        code: verdict.code,
        message: "another agent runs with this host's identity, or this heartbeat is a replay",
      });
}

/** An operator let it in, by the invite with this id: that belongs into the audit log too. */
async function recordJoin(c: Context<HonoEnv>, hostId: string, tokenId: string): Promise<void> {
  const target = `/hive/v1/hosts/${hostId}/join`;
  const action = "POST /hive/v1/hosts/:id/join";
  await directoryOf(c.env).recordAudit({ at: Date.now(), operator: "invite", tokenId, action, target, status: 200 });
}

/** Asks through the hostname, beside the answer to the heartbeat; the next one tries again. */
async function proveHost(
  c: Context<HonoEnv>,
  { site }: KnownHost,
  host: HostRegistration,
  runId: string,
): Promise<void> {
  if (await isReached(c.var.prepared, host, runId)) await cellOf(c.env, site).proveHost(host.id, runId);
}

interface VerifiedBeat {
  readonly claims: HostClaims;
  readonly host: KnownHost;
}

/** The remembered key first; the cells' word when it does not fit, since the host may have joined anew. */
async function verifyBeat(c: Context<HonoEnv>, hostId: string, json: unknown): Promise<VerifiedBeat | undefined> {
  const known = recallHost(hostId);
  const claims = known === undefined ? undefined : await verifyWith(c, hostId, known);
  if (known !== undefined && claims !== undefined) return { claims, host: known };
  const host = await lookUpHost(c, hostId, cellNamedIn(json) ?? known?.site.name);
  if (host === undefined || host.key.x === known?.key.x) return undefined;
  const again = await verifyWith(c, hostId, host);
  return again === undefined ? undefined : { claims: again, host };
}

async function verifyWith(c: Context<HonoEnv>, hostId: string, { key }: KnownHost): Promise<HostClaims | undefined> {
  const expected = { hostId, issuer: c.var.prepared.settings.HIVE_ISSUER, now: Date.now() };
  const verified = await verifyHostToken(key, bearerOf(c), expected);
  return verified.ok ? verified.value : undefined;
}

/** Only where to look first: the key found there proves the host, not its word. */
function cellNamedIn(json: unknown): string | undefined {
  const named = typeof json === "object" && json !== null && "cell" in json ? json.cell : undefined;
  return typeof named === "string" ? named : undefined;
}

function sameBeat(beat: Heartbeat, claims: HostClaims): boolean {
  return beat.runId === claims.runId && beat.sequence === claims.sequence;
}

function bearerOf(c: Context<HonoEnv>): string {
  return /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? "";
}

async function readJson(c: Context<HonoEnv>): Promise<{ bytes: Uint8Array; json: unknown } | undefined> {
  const body = await readBody(c.req.raw, HOST_BODY_MAX_BYTES);
  if (!body.ok) return undefined;
  try {
    return { bytes: body.value, json: JSON.parse(new TextDecoder().decode(body.value)) };
  } catch {
    return undefined;
  }
}

function unauthenticated(): Response {
  return refuse("hive", { code: "unauthenticated", message: "no valid token" });
}
