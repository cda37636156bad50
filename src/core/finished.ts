// What hosts measured of finished requests, matched with what the fleet foresaw of them, and learned from.
import type { FinishedLease } from "../wire/heartbeat.ts";
import { learnKeeping } from "./prefixes.ts";
import { rateSubject } from "./runners.ts";
import { learnSample } from "./speed/learning.ts";
import { averageLevel } from "./speed/meter.ts";
import { hasWaited, learnSlots } from "./speed/slots.ts";
import { chargeMeasured } from "./tenants.ts";
import type { Fleet, FleetBeat, Host, Work } from "./state.ts";

/** Obtaining a runner that is in memory takes less. */
const LOADED_MS = 300;

/** Learns from all that a heartbeat reports as served. */
export function learnFinished(fleet: Fleet, host: Host, beat: FleetBeat, now: number): void {
  for (const finished of beat.finished) {
    const work = fleet.ended.get(finished.id)?.work ?? fleet.leases.get(finished.id)?.work;
    fleet.ended.delete(finished.id);
    if (work !== undefined && finished.outcome === "served") learnOne(fleet, host, { work, finished }, now);
  }
}

interface Report {
  readonly work: Work;
  readonly finished: FinishedLease;
}

function learnOne(fleet: Fleet, host: Host, { work, finished }: Report, now: number): void {
  const { runner, request, shape, matchedBytes, grantedAt, prefillHeldMs, decodeHeldMs } = work;
  const { promptMs, outputTokens, outputMs, loadMs, totalMs } = finished;
  if (outputTokens !== undefined) chargeMeasured(fleet, work, outputTokens);
  measureHeld(work, finished);
  const endedAt = Math.min(now, grantedAt + totalMs);
  const from = endedAt - (outputMs ?? 0);
  const concurrency = averageLevel(runner.concurrency, from, endedAt);
  const share = learnSample(
    rateSubject(fleet, host, runner),
    {
      shape,
      promptBytes: request.promptBytes,
      matchedBytes,
      // Streams in OpenAI's way tell no counts unless asked to: then the time counts for what was expected.
      promptTokens: finished.promptTokens ?? work.promptTokens,
      countedTokens: finished.promptTokens,
      promptMs,
      outputTokens,
      outputMs,
      loadMs,
      fromPageCache: work.fromPageCache,
      prefillHeldMs,
      decodeHeldMs,
      concurrency,
      busyModels: averageLevel(host.busyModels, grantedAt, endedAt),
    },
    now,
  );
  if (share !== undefined && work.claim !== undefined) learnKeeping(runner.held, share, work.claim);
  if (promptMs === undefined || outputMs === undefined || loadMs === undefined) return;
  // A load is the time of others too; what it hides is no wait for a slot.
  if (loadMs > LOADED_MS) return;
  const together = Math.round(averageLevel(runner.concurrency, grantedAt, endedAt));
  learnSlots(host.slots, hasWaited(totalMs, loadMs + promptMs + outputMs), together, now);
}

/** What a request has left in its runner's prompt cache is as large as its host has counted. */
function measureHeld({ held, promptTokens, outputTokens }: Work, finished: FinishedLease): void {
  if (held !== undefined)
    held.tokens = (finished.promptTokens ?? promptTokens) + (finished.outputTokens ?? outputTokens);
}
