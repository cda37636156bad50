// The answer to the edge's question whether a hostname leads to the agent with this host's key.
import { sha256Base64Url } from "../../auth/digest.ts";
import { signHostToken } from "../../auth/host-token.ts";
import type { HostKeys } from "../../auth/host-token.ts";
import type { EdgeClock } from "../edge-clock.ts";

export interface Identity {
  readonly keys: HostKeys;
  readonly hostId: string;
  readonly runId: string;
  readonly issuer: string;
  readonly clock: EdgeClock;
}

/** Signs a nonce under a prefix of its own, so that no signature of a challenge passes for that of a heartbeat. */
export async function answerChallenge({ keys, clock, ...named }: Identity, nonce: Buffer): Promise<string> {
  const bodySha256 = await sha256Base64Url(Buffer.concat([Buffer.from("hive challenge "), nonce]));
  return await signHostToken(keys, { ...named, sequence: 0, bodySha256, now: clock.now() });
}
