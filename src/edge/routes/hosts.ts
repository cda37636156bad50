// The hosts' side: joining with an invite, and heartbeats signed with the key registered then.
import type { Context } from "hono";
import { sha256Base64Url } from "../../auth/digest.ts";
import { verifyHostToken } from "../../auth/host-token.ts";
import type { HostClaims } from "../../auth/host-token.ts";
import { verifyJoinToken } from "../../auth/join-token.ts";
import { heartbeatSchema } from "../../wire/heartbeat.ts";
import type { Heartbeat } from "../../wire/heartbeat.ts";
import { joinRequestSchema } from "../../wire/host.ts";
import type { JoinAnswer, PublicKey } from "../../wire/host.ts";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { checkHostUrl } from "../host-url.ts";
import { readBody } from "../read-body.ts";
import { refuse } from "../refuse.ts";

/** Largest join or heartbeat body: 2,000 models with details. */
const HOST_BODY_MAX_BYTES = 4_000_000;
const hostKeys = new Map<string, PublicKey>();

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
  const { pool, region, slots, jti } = invite.value;
  const joined = await cellOf(c.env).joinHost(
    {
      id: hostId,
      url: url.value,
      pool,
      region,
      slots,
      signingKey,
      agreementKey,
      registeredAt: Date.now(),
      drained: false,
    },
    jti,
  );
  if (!joined.ok) {
    const message =
      joined.code === "conflict"
        ? "this join token was used already; make a new invite"
        : `MAX_INSTANCES (${settings.MAX_INSTANCES}) hosts are registered already`;
    return refuse("hive", { code: joined.code, message });
  }
  hostKeys.set(hostId, signingKey);
  const answer: JoinAnswer = {
    hostId,
    edgeAgreementKey: keys.leg.publicJwk,
    issuer: settings.HIVE_ISSUER,
    heartbeatIntervalMs: settings.HEARTBEAT_INTERVAL,
    slots,
  };
  return c.json(answer);
}

export async function recordHeartbeat(c: Context<HonoEnv>): Promise<Response> {
  const hostId = c.req.param("id") ?? "";
  const read = await readJson(c);
  if (read === undefined) return refuse("hive", { code: "bad_request", message: "the heartbeat is not JSON" });
  const claims = await verifyBeat(c, hostId);
  if (claims === undefined || claims.bodySha256 !== (await sha256Base64Url(read.bytes))) return unauthenticated();
  const parsed = heartbeatSchema.safeParse(read.json);
  if (!parsed.success || !sameBeat(parsed.data, claims))
    return refuse("hive", { code: "bad_request", message: "the heartbeat has a wrong shape" });
  const verdict = await cellOf(c.env).recordHeartbeat(hostId, parsed.data);
  if (verdict.ok) return c.json(verdict.answer);
  return verdict.code === "unknown_host"
    ? unauthenticated()
    : refuse("hive", {
        code: verdict.code,
        message: "another agent runs with this host's identity, or this heartbeat is a replay",
      });
}

/** The remembered key first; the cell's word when it does not fit, since the host may have joined anew. */
async function verifyBeat(c: Context<HonoEnv>, hostId: string): Promise<HostClaims | undefined> {
  const expected = { hostId, issuer: c.var.prepared.settings.HIVE_ISSUER, now: Date.now() };
  const token = bearerOf(c);
  const known = hostKeys.get(hostId);
  if (known !== undefined) {
    const verified = await verifyHostToken(known, token, expected);
    if (verified.ok) return verified.value;
  }
  const registered = await cellOf(c.env).readHostKey(hostId);
  if (registered === undefined || registered.x === known?.x) return undefined;
  hostKeys.set(hostId, registered);
  const verified = await verifyHostToken(registered, token, expected);
  return verified.ok ? verified.value : undefined;
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
