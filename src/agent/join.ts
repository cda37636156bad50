// Joining: registers the agent's own public keys against the id that the operator bound in the invite.
import { decodeJwt } from "jose";
import { sha256Base64Url } from "../auth/digest.ts";
import { signHostToken } from "../auth/host-token.ts";
import type { HostKeys } from "../auth/host-token.ts";
import { hostIdSchema, joinAnswerSchema } from "../wire/host.ts";
import type { JoinRequest } from "../wire/host.ts";
import { AgentError } from "./agent-error.ts";
import { call, faultOf, parseJson } from "./call.ts";
import type { EdgeClock } from "./edge-clock.ts";
import type { Membership } from "./state.ts";

const JOIN_LIMIT_MS = 15_000;

/** Presents the join token; the answer names the host and the edge's key of the leg. */
export async function joinEdge(
  edgeUrl: string,
  joinToken: string,
  keys: HostKeys,
  clock: EdgeClock,
): Promise<Membership> {
  const { hostId, issuer, tokenId } = readInvite(joinToken);
  const url = new URL(`/hive/v1/hosts/${hostId}/join`, edgeUrl);
  const answer = await post(url, joinToken, await joinRequest(hostId, issuer, keys, clock));
  const parsed = joinAnswerSchema.safeParse(parseJson(answer.text));
  if (answer.status === 200 && parsed.success && parsed.data.hostId === hostId) {
    return { ...parsed.data, edgeUrl, joinTokenId: tokenId };
  }
  throw new AgentError(`cannot join ${edgeUrl}: ${reasonOf(answer.status, answer.text)}`);
}

/** The token is the edge's to judge; here it only says who is invited. */
export function readInvite(joinToken: string): { hostId: string; issuer: string; tokenId: string } {
  try {
    const { hostId, iss, jti } = decodeJwt(joinToken);
    if (hostIdSchema.safeParse(hostId).success && iss !== undefined && jti !== undefined) {
      return { hostId: String(hostId), issuer: iss, tokenId: jti };
    }
  } catch {
    // The same words as for a token of another kind.
  }
  throw new AgentError("--join: not a join token; make one with `hive host invite`");
}

async function joinRequest(hostId: string, issuer: string, keys: HostKeys, clock: EdgeClock): Promise<JoinRequest> {
  const { signingKey, agreementKey } = keys;
  const bodySha256 = await sha256Base64Url(new TextEncoder().encode(`${signingKey.x}.${agreementKey.x}`));
  const proof = await signHostToken(keys, { hostId, runId: "join", sequence: 0, bodySha256, issuer, now: clock.now() });
  return { signingKey, agreementKey, proof };
}

async function post(url: URL, joinToken: string, body: JoinRequest) {
  try {
    return await call(url, {
      method: "POST",
      headers: { authorization: `Bearer ${joinToken}`, "content-type": "application/json" },
      body: Buffer.from(JSON.stringify(body)),
      timeoutMs: JOIN_LIMIT_MS,
    });
  } catch (cause) {
    throw new AgentError(`cannot reach the edge at ${url.origin}: ${faultOf(cause)}`, { cause });
  }
}

function reasonOf(status: number, text: string): string {
  if (status === 401)
    return "the join token is used, expired or not for this edge; make a new one with `hive host invite`";
  const json = parseJson(text);
  const detail = typeof json === "object" && json !== null && "detail" in json ? json.detail : undefined;
  return typeof detail === "string" ? detail : `it answered ${status}`;
}
