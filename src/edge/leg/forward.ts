// One attempt: sends the request to the granted host's agent over the framed leg and waits for the head line.
import { deriveLegKey, signLegToken } from "../../auth/leg-token.ts";
import type { Grant, Outcome } from "../../wire/lease.ts";
import { LEG_CONTENT_TYPE, LEG_KEEP_ALIVE_MS, LEG_TOKEN_HEADER } from "../../wire/leg.ts";
import type { Result } from "../../wire/result.ts";
import type { Prepared } from "../env.ts";
import { readLegHead } from "./leg-head.ts";
import type { LegWait, OpenLeg } from "./leg-head.ts";

/** A large body needs time to arrive before an agent can accept it: allow for 4 MB/s on top of TIMEOUT. */
const UPLOAD_BYTES_PER_MS = 4_000;
/** So many in a row: the path or the agent is dead. An agent may not have heard yet of a shorter KEEP_ALIVE. */
const MISSED_KEEP_ALIVES = 3;

/** What a token of the leg names: a grant, or a call that is no client's. */
export type LegTarget = Omit<Grant, "queuedMs" | "decision">;

export interface Forwarded {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  /** A stream is sent as it comes, once: an attempt that fails cannot be repeated. */
  readonly body: Uint8Array | ReadableStream<Uint8Array>;
  readonly bodySha256: string;
  /** Opens the agent's routes that change what a host holds. */
  readonly scope?: "manage" | undefined;
  readonly contentType: string;
  readonly userAgent: string | null;
  readonly modelKey?: string | undefined;
  readonly runner?: string | undefined;
  /** Epoch ms after which nobody wants the answer. */
  readonly deadlineAt?: number | undefined;
  /** Told what the request waits for at its host. */
  readonly onStatus?: ((status: string) => void) | undefined;
}

const legKeys = new Map<string, Promise<CryptoKey>>();

/** Opens the leg, or says how the attempt ended, in the terms in which the cell wants it settled. `abort` ends it at any time. */
export async function openLeg(
  prepared: Prepared,
  grant: LegTarget,
  request: Forwarded,
  abort: AbortController,
): Promise<Result<OpenLeg, Outcome>> {
  const limitMs = prepared.settings.TIMEOUT + sizeOf(request.body) / UPLOAD_BYTES_PER_MS;
  const timer = setTimeout(() => abort.abort(), limitMs);
  try {
    const response = await fetch(grant.hostUrl + request.path, {
      method: "POST",
      headers: await legHeaders(prepared, grant, request),
      body: request.body,
      redirect: "manual",
      signal: abort.signal,
    });
    clearTimeout(timer);
    return await judge(response, {
      silenceMs: MISSED_KEEP_ALIVES * Math.max(prepared.settings.KEEP_ALIVE, LEG_KEEP_ALIVE_MS),
      onStatus: request.onStatus ?? (() => undefined),
    });
  } catch {
    return failed(abort.signal.aborted ? "did not accept in time" : "refused the connection");
  } finally {
    clearTimeout(timer);
  }
}

/** An agent accepts a stream before its first byte. */
function sizeOf(body: Forwarded["body"]): number {
  return body instanceof Uint8Array ? body.byteLength : 0;
}

async function judge(response: Response, wait: LegWait): Promise<Result<OpenLeg, Outcome>> {
  if (response.status === 421 || response.status === 503) {
    await response.body?.cancel();
    return { ok: false, error: { type: "host-refused", reason: `answered ${response.status}` } };
  }
  if (response.status !== 200 || response.body === null || response.headers.get("content-type") !== LEG_CONTENT_TYPE) {
    await response.body?.cancel();
    return failed(`answered ${response.status} where the leg was expected`);
  }
  const leg = await readLegHead(response.body, wait);
  if (!leg.ok) return failed(leg.error);
  const { failure, code } = leg.value.head;
  return failure === undefined || code !== undefined ? leg : failed(failure);
}

function failed(reason: string): Result<never, Outcome> {
  return { ok: false, error: { type: "host-failed", reason } };
}

/** Built from an allowlist, never copied from the client. */
export async function legHeaders(
  prepared: Prepared,
  grant: LegTarget,
  request: Forwarded,
): Promise<Record<string, string>> {
  const token = await signLegToken(await legKeyOf(prepared, grant), {
    issuer: prepared.settings.HIVE_ISSUER,
    now: Date.now(),
    hostId: grant.hostId,
    runId: grant.runId,
    leaseId: grant.leaseId,
    attempt: grant.attempt,
    method: request.method,
    path: request.path,
    bodySha256: request.bodySha256,
    ...(request.modelKey === undefined ? {} : { model: request.modelKey }),
    ...(request.scope === undefined ? {} : { scope: request.scope }),
    ...(request.runner === undefined ? {} : { runner: request.runner }),
    deadlineAt: Math.min(grant.expiresAt, request.deadlineAt ?? Number.POSITIVE_INFINITY),
  });
  return {
    [LEG_TOKEN_HEADER]: token,
    "content-type": request.contentType,
    "accept-encoding": "identity",
    "hive-request-id": request.requestId,
    ...(request.userAgent === null ? {} : { "user-agent": request.userAgent }),
    ...(grant.hostUrl.startsWith("https://") ? prepared.tunnelHeaders : {}),
  };
}

/** The key that edge and host share, derived once per host and isolate. */
function legKeyOf(prepared: Prepared, grant: LegTarget): Promise<CryptoKey> {
  const { leg } = prepared.keys;
  const own = grant.edgeKey ?? leg.publicJwk.x;
  const name = `${grant.hostId} ${grant.hostAgreementKey.x} ${own}`;
  const known = legKeys.get(name);
  if (known !== undefined) return known;
  const derived = deriveLegKey(leg.older.get(own) ?? leg.privateKey, grant.hostAgreementKey, grant.hostId);
  if (legKeys.size >= 1_000) legKeys.clear();
  legKeys.set(name, derived);
  return derived;
}
