// Giving a lease: the books of host and runner, what is foreseen of the request, and the grant its client's edge gets.
import { compareVersions } from "./catalog.ts";
import { learnReuse } from "./displacement.ts";
import type { Effect } from "./events.ts";
import { delayWeight, forecast } from "./forecast.ts";
import type { Need } from "./forecast.ts";
import { addLease } from "./leases.ts";
import { isInPageCache, recordDemand } from "./loads.ts";
import type { Placement } from "./placement.ts";
import { foundTokens, takeSlot } from "./prefixes.ts";
import { SIMILAR } from "./prompt-cache.ts";
import { release } from "./quiesce.ts";
import { runnerOf } from "./runners.ts";
import { modelSpeed } from "./speed/speeds.ts";
import type { Fleet, Host, Runner, Waiting, Work } from "./state.ts";

/** Leases a host to a request that has left the queue. */
export function grant(
  fleet: Fleet,
  { request, leaseId, queuedAt }: Waiting,
  { host, decision, need }: Extract<Placement, { type: "host" }>,
  now: number,
): Effect {
  const { requestId, model, attempt } = request;
  const expiresAt = now + fleet.settings.leaseDeadlineMs;
  const hostId = host.registration.id;
  const control = request.kind === "control";
  const work = control || need === undefined ? undefined : foresee(fleet, host, need, now);
  const books = { grantedAt: now, expiresAt, listed: false, missed: 0 };
  addLease(fleet, host, { id: leaseId, requestId, hostId, model, control, ...books, work });
  if (host.quiesced !== undefined) release(fleet, host);
  if (host.failure !== undefined) host.failure.probeLeaseId = leaseId;
  // Who wants it out of memory when it is done asks for no copy ahead of time.
  if (model !== undefined && !control && request.unloads !== true) recordDemand(fleet, model, request.runner, now);
  fleet.lastChosen.set(model ?? "", hostId);
  return {
    type: "granted",
    requestId,
    grant: {
      leaseId,
      hostId,
      hostUrl: host.registration.url,
      hostAgreementKey: host.registration.agreementKey,
      edgeKey: host.registration.edgeKey,
      runId: host.runs[0]?.id ?? "",
      attempt,
      queuedMs: now - queuedAt,
      expiresAt,
      decision,
    },
  };
}

function foresee(fleet: Fleet, host: Host, need: Need, now: number): Work {
  const { request, model, shape, promptTokens, outputTokens } = need;
  const runner = runnerOf(fleet, host, model, request.runner);
  const { load, owed, prefill, decode } = forecast(fleet, host, need);
  const found = runner.resident ? foundTokens(runner, need.asked) : 0;
  learnReuse(modelSpeed(fleet.speed, model).reuse, found > SIMILAR * promptTokens);
  return {
    request,
    runner,
    shape,
    matchedBytes: (request.promptBytes * found) / promptTokens,
    claim: request.kind === "embed" ? undefined : claimOn(fleet, host, runner, need),
    promptTokens,
    outputTokens,
    grantedAt: now,
    fromPageCache: isInPageCache(runner, now),
    prefillMs: prefill * 1_000,
    firstTokenAt: now + (load + owed + prefill) * 1_000,
    prefillHeldMs: owed * 1_000,
    decodeHeldMs: 0,
    delayWeight: delayWeight((load + owed + prefill + decode) * 1_000),
  };
}

function claimOn(fleet: Fleet, { models, heard }: Host, runner: Runner, need: Need): Work["claim"] {
  const modelBytes = models.get(need.model)?.sizeBytes ?? 0;
  const { parallel = 1, ollamaVersion = "" } = heard?.beat ?? {};
  const savesPrompts = ollamaVersion === "" || compareVersions(ollamaVersion, SAVES_PROMPTS) >= 0;
  return takeSlot(fleet.prefixes, runner, need.asked, { parallel, modelBytes, savesPrompts, now: need.now });
}

/** The first Ollama whose runners keep old prompts in host memory. */
const SAVES_PROMPTS = "0.30.0";
