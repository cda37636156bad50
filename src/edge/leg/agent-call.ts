// Short calls of an agent that are no client's: to stop a lease, and to see that a hostname leads to the agent with the host's key.
import { sha256Base64Url } from "../../auth/digest.ts";
import { verifyHostToken } from "../../auth/host-token.ts";
import type { HostRegistration } from "../../wire/host.ts";
import type { Grant } from "../../wire/lease.ts";
import type { Prepared } from "../env.ts";
import { legHeaders } from "./forward.ts";
import type { LegTarget } from "./forward.ts";

/** A token's id is lease and attempt, and an agent takes each id once: a cancel needs an id of its own. */
const CANCEL_ATTEMPT_OFFSET = 50;
/** A tunnel may have to wake up first, and a busy agent to get to it. */
const CALL_LIMIT_MS = 5_000;
const PROOF_MAX_BYTES = 8_192;

/** Tells an agent at once that nobody waits for a lease any more. Its heartbeat's answer would say so seconds later. */
export async function cancelLeg(prepared: Prepared, grant: Grant, requestId: string): Promise<void> {
  const target = { ...grant, attempt: grant.attempt + CANCEL_ATTEMPT_OFFSET };
  const response = await callAgent(prepared, target, { path: "/hive/v1/cancel", body: new Uint8Array(0), requestId });
  await response.body?.cancel();
}

/** Whether a host's address leads to the agent of this run with the host's key; false for every other answer, or none. */
export async function isReached(prepared: Prepared, host: HostRegistration, runId: string): Promise<boolean> {
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const id = crypto.randomUUID();
  const target: LegTarget = {
    leaseId: `challenge-${id}`,
    hostId: host.id,
    hostUrl: host.url,
    hostAgreementKey: host.agreementKey,
    edgeKey: host.edgeKey,
    runId,
    attempt: 1,
    expiresAt: Date.now() + CALL_LIMIT_MS,
  };
  const call = { path: "/hive/v1/challenge", body: nonce, requestId: id };
  try {
    const response = await callAgent(prepared, target, call);
    const proof = response.status === 200 ? await readProof(response) : undefined;
    if (proof === undefined) return false;
    const expected = { hostId: host.id, issuer: prepared.settings.HIVE_ISSUER, now: Date.now() };
    const proven = await verifyHostToken(host.signingKey, proof, expected);
    return proven.ok && proven.value.runId === runId && proven.value.bodySha256 === (await challengeDigest(nonce));
  } catch {
    return false;
  }
}

/** What an agent signs in answer to a challenge; never the digest of a heartbeat or a join. */
async function challengeDigest(nonce: Uint8Array): Promise<string> {
  const prefix = new TextEncoder().encode("hive challenge ");
  const whole = new Uint8Array(prefix.byteLength + nonce.byteLength);
  whole.set(prefix);
  whole.set(nonce, prefix.byteLength);
  return await sha256Base64Url(whole);
}

async function readProof(response: Response): Promise<string | undefined> {
  if (Number(response.headers.get("content-length") ?? PROOF_MAX_BYTES + 1) > PROOF_MAX_BYTES) {
    await response.body?.cancel();
    return undefined;
  }
  const parsed: unknown = await response.json();
  if (typeof parsed !== "object" || parsed === null || !("proof" in parsed)) return undefined;
  return typeof parsed.proof === "string" ? parsed.proof : undefined;
}

interface AgentCall {
  readonly path: string;
  readonly body: Uint8Array;
  readonly requestId: string;
}

async function callAgent(prepared: Prepared, target: LegTarget, call: AgentCall): Promise<Response> {
  const { path, body, requestId } = call;
  const bodySha256 = await sha256Base64Url(body);
  const contentType = "application/octet-stream";
  const request = { requestId, method: "POST", path, body, bodySha256, contentType, userAgent: null };
  return await fetch(target.hostUrl + path, {
    method: "POST",
    headers: await legHeaders(prepared, target, request),
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
  });
}
