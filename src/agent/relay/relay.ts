// Relays one request: accepted at once, its model loaded by the agent, then Ollama's own bytes; however it ends, told once.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { LegHead } from "../../wire/leg.ts";
import { faultOf } from "../call.ts";
import type { CurrentLimits } from "../current-limits.ts";
import type { Lease, LeaseReport } from "./leases.ts";
import { LegWriter } from "./leg-writer.ts";
import type { LoadOutcome, LoadWish, Loads } from "./loads.ts";
import type { OllamaClient, OllamaRequest } from "./ollama-client.ts";
import { postToOllama } from "./ollama-client.ts";
import { pump } from "./pump.ts";
import { recordFormatOf } from "./records.ts";
import { isStructured, isUnload, setsKeepAlive } from "./request-body.ts";
import type { Residency } from "../heartbeat/residency.ts";
import { completeReport } from "./timings.ts";
import { unlessAborted } from "../when-aborted.ts";

const FORWARDED_HEADERS = ["content-type", "content-length", "allow", "location"] as const;
const SENT_HEADERS = ["content-type", "accept", "user-agent"] as const;
/** A wait for a load that is worth telling of. */
const TOLD_LOAD_MS = 1_000;

export type RelayCall = {
  readonly path: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly lease: Lease;
  /** What must be in memory first; undefined where nothing need be. */
  readonly wish: LoadWish | undefined;
  /** From now until nobody wants the answer, ms. */
  readonly deadlineInMs: number | undefined;
};

export type RelayDeps = {
  readonly ollama: OllamaClient;
  readonly limits: CurrentLimits;
  readonly loads: Loads;
  readonly residency: Residency;
  /** Ollama did not take the connection, broke it, or fell silent. */
  readonly onOllamaFault: () => void;
  /** Nobody wants the answer any more; Ollama is being told. */
  readonly onEnding: () => void;
  /** Ollama did not heed that, until its connection was reset. */
  readonly onForced: () => void;
  /**
   * Ollama's work is over, however it went. Called once, and before the answer's last byte: when the edge has that, the
   * slot is given to the next request, which must not find it taken.
   */
  readonly onEnded: (report: LeaseReport) => void;
  /** The work is over and may have changed what is in memory; the answer's end waits for this. */
  readonly onChanged: (model: string | undefined, unloaded: boolean) => Promise<void>;
};

/** Why a request ends before its answer: nobody is there any more, or its time is up. */
type Cut = "left" | "deadline";

/** Relays one request to its end, whatever that is; never rejects. */
export async function relay(call: RelayCall, deps: RelayDeps): Promise<void> {
  const cut = new AbortController();
  const cutFor = (why: Cut) => (): void => cut.abort(why);
  call.response.once("close", cutFor("left"));
  call.lease.signal.addEventListener("abort", cutFor("left"));
  if (call.lease.signal.aborted) cut.abort("left");
  const timer = startDeadline(call.deadlineInMs, cutFor("deadline"));
  const leg = new LegWriter(call.response, deps.limits.get().keepAliveMs, () =>
    call.wish === undefined ? undefined : deps.loads.statusOf(call.wish),
  );
  const sent: { request?: OllamaRequest } = {};
  try {
    await exchange({ call, deps, leg, signal: cut.signal, sent });
  } catch (cause) {
    if (cut.signal.aborted) await cutOff(leg, deps, sent.request, cut.signal.reason as Cut);
    else await fail(leg, deps, sent.request, cause);
  } finally {
    clearTimeout(timer);
    if (setsKeepAlive(call.body)) deps.residency.forget();
  }
}

type Exchange = {
  readonly call: RelayCall;
  readonly deps: RelayDeps;
  readonly leg: LegWriter;
  readonly signal: AbortSignal;
  /** Set as soon as Ollama has the request. */
  readonly sent: { request?: OllamaRequest };
};

async function exchange({ call, deps, leg, signal, sent }: Exchange): Promise<void> {
  const load = await ensureLoaded(call, deps, signal);
  if (load.type === "failed") {
    deps.onEnded({ outcome: "failed" });
    leg.head({ status: load.status, headers: {}, error: load.error }, "opaque");
    return leg.end();
  }
  const askedAt = performance.now();
  sent.request = postToOllama(deps.ollama, {
    path: call.path,
    body: call.body,
    headers: sentHeaders(call.request),
  });
  const answer = await unlessAborted(sent.request.answer, signal);
  const answeredAt = performance.now();
  const format = recordFormatOf(answer.headers["content-type"]);
  leg.head({ status: answer.statusCode ?? 502, headers: forwardedHeaders(answer), ...statusAfter(load) }, format);
  const copied = pump(answer, leg, {
    format,
    stallMs: deps.limits.get().stallMs,
    isStructured: () => isStructured(call.body),
    onWhole: async (report, events) => {
      const loadMs = load.type === "loaded" ? load.tookMs : 0;
      const timing = { loadMs, askedAt, answeredAt, endedAt: performance.now() };
      deps.onEnded(completeReport(report, format === "sse" ? { ...timing, events } : timing));
      await deps.onChanged(call.wish?.model, isUnload(call.body));
    },
  });
  await unlessAborted(copied, signal);
}

async function ensureLoaded(
  { wish, body }: RelayCall,
  { loads }: RelayDeps,
  signal: AbortSignal,
): Promise<LoadOutcome> {
  signal.throwIfAborted();
  if (wish === undefined || isUnload(body)) return { type: "not-loadable" };
  return await loads.ensure(wish, signal);
}

function statusAfter(load: LoadOutcome): Pick<LegHead, "hive-status"> {
  if (load.type !== "loaded" || load.tookMs < TOLD_LOAD_MS) return {};
  return { "hive-status": `loaded in ${(load.tookMs / 1_000).toFixed(1)} s` };
}

/** Nobody waits any more. The slot is free at once; the lease is listed until Ollama has provably let go. */
async function cutOff(leg: LegWriter, deps: RelayDeps, request: OllamaRequest | undefined, why: Cut): Promise<void> {
  deps.onEnding();
  if (why === "deadline" && !leg.headSent) {
    leg.head({ status: 504, headers: {}, failure: "deadline passed", code: "deadline" }, "opaque");
    leg.end();
  } else leg.destroy();
  if (request !== undefined && (await request.end())) deps.onForced();
  deps.onEnded({ outcome: "cancelled" });
}

/** Ollama cannot be reached, has broken off, or has fallen silent. */
async function fail(
  leg: LegWriter,
  deps: RelayDeps,
  request: OllamaRequest | undefined,
  cause: unknown,
): Promise<void> {
  deps.residency.forget();
  deps.onOllamaFault();
  deps.onEnded({ outcome: "failed" });
  if (leg.headSent) leg.destroy();
  else {
    leg.head({ status: 502, headers: {}, failure: `ollama: ${faultOf(cause)}`.slice(0, 200) }, "opaque");
    leg.end();
  }
  if (request !== undefined && (await request.end())) deps.onForced();
}

function sentHeaders(request: IncomingMessage): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const name of SENT_HEADERS) {
    const value = request.headers[name];
    if (typeof value === "string") sent[name] = value;
  }
  return sent;
}

function forwardedHeaders(answer: IncomingMessage): Record<string, string> {
  const forwarded: Record<string, string> = {};
  for (const name of FORWARDED_HEADERS) {
    const value = answer.headers[name];
    if (typeof value === "string") forwarded[name] = value;
  }
  return forwarded;
}

function startDeadline(inMs: number | undefined, onPassed: () => void): NodeJS.Timeout | undefined {
  if (inMs === undefined) return undefined;
  if (inMs <= 0) onPassed();
  // setTimeout takes no more than 2^31-1 ms and fires at once beyond.
  return setTimeout(onPassed, Math.min(Math.max(0, inMs), 2 ** 31 - 1));
}
