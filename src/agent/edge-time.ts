// Asks the edge what time it is, before anything is signed: the host's own clock may be wrong.
import { healthSchema } from "../wire/health.ts";
import { call, parseJson } from "./call.ts";
import type { EdgeClock } from "./edge-clock.ts";

const LIMIT_MS = 5_000;

/** Learns the edge's time, where the edge tells it. */
export async function learnEdgeTime(edgeUrl: string, clock: EdgeClock): Promise<void> {
  const sentAt = Date.now();
  try {
    const answer = await call(new URL("/hive/healthz", edgeUrl), { method: "GET", timeoutMs: LIMIT_MS });
    const health = healthSchema.safeParse(parseJson(answer.text));
    if (health.success) clock.learn(health.data.timeMs, sentAt, Date.now());
    else clock.learnFromDate(answer.dateHeader);
  } catch {
    // An edge that is away shows at the join or the next heartbeat, which say so.
  }
}
