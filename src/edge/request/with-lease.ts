// Runs one request on leased hosts: acquire, forward, answer, settle; another host when one fails before the first byte.
import type { Context } from "hono";
import type { LegHead } from "../../wire/leg.ts";
import type { Grant, LeaseRequest, Outcome, Refusal } from "../../wire/lease.ts";
import { acquire, settle } from "./acquire.ts";
import type { Held, Unsettled } from "./acquire.ts";
import { contentTypeOf, isStream, pipeStream, readWhole } from "./answer.ts";
import type { Lost } from "./answer.ts";
import { hasDeparted, whileThere } from "./departed.ts";
import type { HonoEnv } from "../env.ts";
import { openLeg } from "../leg/forward.ts";
import type { Forwarded } from "../leg/forward.ts";
import { readFirstEvent } from "../leg/leg-head.ts";
import type { OpenLeg } from "../leg/leg-head.ts";
import { lostRecord, RESPONSES_PATH } from "./lost-record.ts";
import type { BrokenStream } from "./lost-record.ts";
import { refuse } from "../refuse.ts";
import type { ApiStyle } from "../refuse.ts";
import { watchRevocations } from "../caller/revocations.ts";
import type { Watch } from "../caller/revocations.ts";
import { logLine } from "../../wire/log-line.ts";

const TIME_IS_UP = "the request's time is up (hive-deadline-ms or REQUEST_LIMIT); the answer is incomplete";
/** Agents judge deadlines by the edge's clock, which they know from answers to heartbeats. */
const CLOCKS_APART_MS = 1_000;
/** Most hosts one request is tried on. */
const ATTEMPTS_MAX = 3;

export interface LeasedRequest {
  readonly lease: LeaseRequest;
  readonly forwarded: Forwarded;
  readonly style: ApiStyle;
  /** Fires when the client is known to have left. */
  readonly gone?: AbortSignal | undefined;
  /** Read the answer to its end before any of it is given on, whatever its media type: it is small, and can then be retried. */
  readonly whole?: true | undefined;
  /** Words a refusal of the cell in the API's own shape. */
  readonly refuse: (refusal: Refusal) => Response;
}

type Attempt =
  | { readonly done: true; readonly response: Response }
  | { readonly done: false; readonly outcome: Outcome; readonly kept?: Response };

/** The answer of some host, or the refusal. */
export async function withLease(c: Context<HonoEnv>, request: LeasedRequest): Promise<Response> {
  const exclude: string[] = [];
  let previous: Unsettled | undefined;
  let kept: Response | undefined;
  let waitedMs = 0;
  const attemptsMax = attemptsFor(request.forwarded);
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const lease = { ...request.lease, exclude, attempt, waitedMs };
    const answer = await acquire(c, lease, previous, request.gone);
    if (!answer.ok) return kept ?? (await conclude(c, request, lease, answer.refusal));
    const { held } = answer;
    waitedMs += held.grant.queuedMs;
    const tried = await tryWanted(c, held, request);
    if (tried.done) return tried.response;
    logAttempt(c.var.requestId, held.grant, tried.outcome);
    kept = tried.kept ?? kept;
    // An agent that is full for a moment (its slot is being freed) may be asked again; the cell waits a second before it does.
    if (tried.outcome.type !== "host-refused" || tried.kept !== undefined) exclude.push(held.grant.hostId);
    previous = { held, outcome: tried.outcome };
  }
  if (previous !== undefined) c.executionCtx.waitUntil(settle(c, previous.held, previous.outcome));
  return kept ?? request.refuse({ code: "attempts_failed", detail: `${attemptsMax} host(s) failed` });
}

/** One attempt; none, or none after it, when nobody wants the answer any more. */
async function tryWanted(c: Context<HonoEnv>, held: Held, request: LeasedRequest): Promise<Attempt> {
  if (isUnwanted(request)) return { done: true, response: giveUp(c, request, held) };
  const end = (): void => c.executionCtx.waitUntil(settle(c, held, { type: "client-left" }));
  const tried = await whileThere(request.gone, end, tryHost(c, held, request));
  return tried.done || !isUnwanted(request) ? tried : { done: true, response: giveUp(c, request, held) };
}

/** Nobody waits for the answer any more, or its time is up. */
function isUnwanted({ gone, lease }: LeasedRequest): boolean {
  return hasDeparted(lease.requestId) || gone?.aborted === true || isPast(lease.deadlineAt);
}

/** Ends a request that has a lease and is not wanted: no fault of the host. */
function giveUp(
  c: Context<HonoEnv>,
  { gone, lease, refuse }: LeasedRequest,
  held: Held,
  isLate = isPast(lease.deadlineAt),
): Response {
  c.executionCtx.waitUntil(settle(c, held, { type: "client-left" }));
  return gone?.aborted !== true && isLate
    ? refuse({ code: "deadline_passed", detail: "the answer had not begun" })
    : refuse({ code: "cancelled", detail: "the client left" });
}

function isPast(deadlineAt: number | undefined): boolean {
  return deadlineAt !== undefined && Date.now() >= deadlineAt;
}

/** A stream has gone when its attempt has failed. */
function attemptsFor({ body }: Forwarded): number {
  return body instanceof Uint8Array ? ATTEMPTS_MAX : 1;
}

function logAttempt(requestId: string, grant: Grant, outcome: Outcome): void {
  const reason = "reason" in outcome ? outcome.reason : undefined;
  const { hostId, attempt, leaseId } = grant;
  console.warn(
    logLine({ event: "attempt-failed", requestId, hostId, attempt, leaseId, outcome: outcome.type, reason }),
  );
}

/** Nobody else was left to try: that the hosts tried had failed is the truth, not that the model is unknown. */
function afterFailures(refusal: Refusal): Refusal {
  return refusal.code === "unknown_model" || refusal.code === "model_offline" || refusal.code === "no_host"
    ? { code: "attempts_failed", detail: "every host that has the model failed" }
    : refusal;
}

async function conclude(
  c: Context<HonoEnv>,
  request: LeasedRequest,
  lease: LeaseRequest,
  refusal: Refusal,
): Promise<Response> {
  if (refusal.code === "missing_capability") return await askIncapable(c, request, lease);
  return request.refuse(lease.attempt > 1 ? afterFailures(refusal) : refusal);
}

/** No host lists what the request needs: any that has the model says so, in Ollama's own words, whatever their status. */
async function askIncapable(c: Context<HonoEnv>, request: LeasedRequest, lease: LeaseRequest): Promise<Response> {
  const answer = await acquire(c, { ...lease, needs: [], cloud: false }, undefined, request.gone);
  if (!answer.ok) return request.refuse(answer.refusal);
  const tried = await tryWanted(c, answer.held, request);
  if (tried.done) return tried.response;
  const outcome: Outcome = tried.kept === undefined ? tried.outcome : { type: "served" };
  c.executionCtx.waitUntil(settle(c, answer.held, outcome));
  return tried.kept ?? request.refuse({ code: "attempts_failed", detail: "the host asked failed" });
}

/** One attempt, cut short when the caller or the host is revoked meanwhile. */
async function tryHost(c: Context<HonoEnv>, held: Held, request: LeasedRequest): Promise<Attempt> {
  const { deadlineAt = Number.POSITIVE_INFINITY } = request.lease;
  const watch = watchRevocations(c.env, c.var.caller, held.grant.hostId, deadlineAt + CLOCKS_APART_MS);
  request.gone?.addEventListener("abort", () => watch.abort.abort());
  const tried = await askHost(c, held, request, watch);
  if (tried.done) return tried;
  watch.stop();
  if (watch.cutBy() !== "caller") return tried;
  c.executionCtx.waitUntil(settle(c, held, { type: "client-left" }));
  return { done: true, response: request.refuse({ code: "unauthenticated", detail: "the token was revoked" }) };
}

async function askHost(c: Context<HonoEnv>, held: Held, request: LeasedRequest, watch: Watch): Promise<Attempt> {
  const { grant } = held;
  const leg = await openLeg(c.var.prepared, grant, request.forwarded, watch.abort);
  if (!leg.ok) return { done: false, outcome: leg.error };
  const { status, error, code } = leg.value.head;
  if (code === "deadline") {
    watch.stop();
    // The agent's word counts: its clock may be a moment ahead.
    return { done: true, response: giveUp(c, request, held, true) };
  }
  if (error !== undefined) return failedLoad(answerHeaders(c, grant, leg.value), request.style, leg.value.head);
  const contentType = contentTypeOf(leg.value);
  if (status === 200 && isStream(contentType) && request.whole !== true) {
    const { path } = request.forwarded;
    const begun = path === RESPONSES_PATH ? await readFirstEvent(leg.value) : leg.value;
    if (begun === undefined)
      return { done: false, outcome: { type: "host-failed", reason: "died before its first event" } };
    const stream = { style: request.style, path, begun: begun.leftover };
    const { body, ended } = pipeStream(begun, () => whenLost(stream, request.lease.deadlineAt));
    const end = async (outcome: Outcome): Promise<void> => {
      watch.stop();
      await settle(c, held, watch.cutBy() === "caller" ? { type: "client-left" } : outcome);
    };
    c.executionCtx.waitUntil(ended.then(end));
    return { done: true, response: new Response(body, { status, headers: answerHeaders(c, grant, leg.value) }) };
  }
  const whole = await readWhole(leg.value);
  if (whole === undefined)
    return { done: false, outcome: { type: "host-failed", reason: "died before its answer was whole" } };
  const response = new Response(whole, { status, headers: answerHeaders(c, grant, leg.value) });
  // What a host answers with 5xx may go well elsewhere; its words are kept in case nobody else is there.
  if (status >= 500) return { done: false, outcome: blameFor(status), kept: response };
  watch.stop();
  c.executionCtx.waitUntil(settle(c, held, { type: "served" }));
  return { done: true, response };
}

/** A stream that ends about when its time is up was ended by that, which is no fault of the host. */
function whenLost(stream: BrokenStream, deadlineAt: number | undefined): Lost {
  if (deadlineAt !== undefined && Date.now() >= deadlineAt - CLOCKS_APART_MS)
    return { record: lostRecord(stream, TIME_IS_UP), outcome: { type: "client-left" } };
  return { record: lostRecord(stream), outcome: { type: "host-failed", reason: "died in the middle of a stream" } };
}

/** What Ollama said about a load that the agent had asked for, in the shape of the API that the client has called. */
function failedLoad(answered: Record<string, string>, style: ApiStyle, { status, error = "" }: LegHead): Attempt {
  const kept = refuse(style, { code: "attempts_failed", status, message: error });
  for (const [name, value] of Object.entries(answered)) if (name !== "content-type") kept.headers.set(name, value);
  return { done: false, outcome: blameFor(status), kept };
}

/** Ollama's 503 says that it is full; any other error may be the request's own, or its model's. */
function blameFor(status: number): Outcome {
  return { type: status === 503 ? "host-refused" : "host-erred", reason: `answered ${status}` };
}

/** Response headers are built, not copied: a host can set neither cookies nor redirects nor CORS. */
function answerHeaders(c: Context<HonoEnv>, grant: Grant, leg: OpenLeg): Record<string, string> {
  return {
    "content-type": contentTypeOf(leg),
    "cache-control": "no-store, no-transform",
    "hive-request-id": c.var.requestId,
    "hive-host": grant.hostId,
    "hive-attempts": String(grant.attempt),
    "hive-queue-ms": String(Math.round(grant.queuedMs)),
    ...(leg.head["hive-status"] === undefined ? {} : { "hive-status": leg.head["hive-status"] }),
  };
}
