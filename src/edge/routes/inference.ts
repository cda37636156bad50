// Inference: every endpoint that runs a model, on the host that the cell chooses.
import type { Context } from "hono";
import { ERRORS } from "../../wire/errors.ts";
import type { LeaseRequest, QueuePlace, Refusal } from "../../wire/lease.ts";
import { matchesModelGlobs } from "../../wire/model-name.ts";
import type { Result } from "../../wire/result.ts";
import { readRunnerOptions } from "../../wire/runner-options.ts";
import { capOutput } from "../body/cap-output.ts";
import { readDeadline } from "../request/deadline.ts";
import { beginInTime } from "../request/early-commit.ts";
import type { SlowRequest } from "../request/early-commit.ts";
import { roundContext, writeNumber } from "../body/context-size.ts";
import { ENDPOINTS } from "../endpoints.ts";
import type { Endpoint } from "../endpoints.ts";
import type { HonoEnv } from "../env.ts";
import { pinOf, whyNotPinned } from "../caller/host-pin.ts";
import { forwarded } from "../leg/forwarded.ts";
import { inspect } from "../body/inspect.ts";
import { inspectForm } from "../body/inspect-form.ts";
import type { Inspected, Unserved } from "../body/inspect.ts";
import { hashPrompt, tenantKey } from "../body/prompt.ts";
import type { PromptPrefix } from "../body/prompt.ts";
import { readPlainBody } from "../body/plain-body.ts";
import { refuse } from "../refuse.ts";
import type { RefusalText } from "../refuse.ts";
import { serveNameless } from "../body/nameless.ts";
import { cappedBy, principalOf, whyKept } from "../caller/request-policy.ts";
import { orderForMany, orderLoads } from "./load.ts";
import { showModel } from "../models/show-model.ts";
import { withParts } from "../request/with-parts.ts";
import type { LeasedRequest } from "../request/with-lease.ts";

/** A request that was understood, and until when its answer is wanted, epoch ms. */
type Timed = Inspected & { readonly deadlineAt: number };

const NO_PREFIX: PromptPrefix = { hashes: [], ends: [] };

/** Ollama's words for a full queue, kept because clients match on them. */
const BUSY = "server busy, please try again.  maximum pending requests exceeded";

/** Handles one endpoint of the table. */
export function inference(endpoint: Endpoint) {
  return async function serveInference(c: Context<HonoEnv>): Promise<Response> {
    const arrivedAt = Date.now();
    const body = await readPlainBody(c, endpoint);
    if (body instanceof Response) return body;
    const read = readRequest(c, endpoint, body);
    if (!read.ok) return await serveNameless(c, endpoint, read.error, body);
    const { inspected, sent } = read.value;
    const barred = whyBarred(c, endpoint, inspected);
    if (barred !== undefined) return refuse(endpoint.style, barred);
    const { REQUEST_LIMIT } = c.var.prepared.settings;
    const deadline = readDeadline(c.req.header("hive-deadline-ms"), REQUEST_LIMIT, arrivedAt);
    if (!deadline.ok) return refuse(endpoint.style, { code: "bad_request", message: deadline.error });
    const { request, slow } = await leased(c, endpoint, { ...inspected, deadlineAt: deadline.value }, sent);
    const order = orderForMany(c, inspected);
    const ask = (): Promise<Response> =>
      order === undefined ? withParts(c, request) : orderLoads(c, { inspected, order, request });
    const answer =
      endpoint.kind === "control" ? showModel(c, { endpoint, inspected, forwarded: request.forwarded }, ask) : ask();
    return await beginInTime(c, slow, answer);
  };
}

/** What the edge learned of a body, and the body as a host is to get it. */
interface ReadRequest {
  readonly inspected: Inspected;
  readonly sent: Uint8Array;
}

function readRequest(c: Context<HonoEnv>, endpoint: Endpoint, body: Uint8Array): Result<ReadRequest, Unserved> {
  const { settings } = c.var.prepared;
  const inspected = endpoint.isForm
    ? inspectForm(endpoint, c.req.header("content-type") ?? "", body, settings.MODEL_ALIASES)
    : inspect(endpoint, body, settings.MODEL_ALIASES);
  if (!inspected.ok) return inspected;
  const { numCtx, numCtxSpan } = inspected.value;
  // A question about a model loads nothing.
  const isLoading = endpoint.kind !== "control";
  const size = numCtx !== undefined && isLoading ? roundContext(numCtx, settings.CONTEXT_SIZES) : undefined;
  if (size === undefined || size === numCtx || numCtxSpan === undefined) {
    return { ok: true, value: { inspected: inspected.value, sent: body } };
  }
  const sent = writeNumber(body, numCtxSpan, size);
  const again = inspect(endpoint, sent, settings.MODEL_ALIASES);
  return again.ok ? { ok: true, value: { inspected: again.value, sent } } : again;
}

function whyBarred(c: Context<HonoEnv>, endpoint: Endpoint, inspected: Inspected): RefusalText | undefined {
  const { caller, prepared } = c.var;
  if (!isAllowed(inspected, caller.models)) {
    return { code: "model_forbidden", message: `hive: this token may not use model '${inspected.spelled}'` };
  }
  return whyKept(endpoint, inspected, prepared.settings.ALLOW_CLOUD_MODELS) ?? whyNotPinned(c);
}

/** Whoever may use the other name may use the model behind it: the operator has named it so. */
function isAllowed({ model, alias }: Inspected, globs: readonly string[]): boolean {
  return matchesModelGlobs(model.canonical, globs) || (alias !== undefined && matchesModelGlobs(alias, globs));
}

async function leased(
  c: Context<HonoEnv>,
  endpoint: Endpoint,
  inspected: Timed,
  body: Uint8Array,
): Promise<{ request: LeasedRequest; slow: SlowRequest }> {
  const { style, path } = endpoint;
  const { streaming, deadlineAt } = inspected;
  const { maxOutput } = c.var.caller;
  const named = inspected.renamed ?? body;
  const sent = maxOutput === undefined ? named : capOutput(endpoint.path, named, maxOutput);
  const left = new AbortController();
  let status: string | undefined;
  const request: LeasedRequest = {
    style,
    gone: AbortSignal.any([left.signal, c.req.raw.signal]),
    whole: endpoint.isForm,
    lease: leaseRequest(c, endpoint, inspected, body),
    forwarded: {
      ...(await forwarded(c, endpoint.path, sent, askedOf(inspected).model)),
      runner: readRunnerOptions(inspected.runner) === undefined ? undefined : inspected.runner || undefined,
      deadlineAt,
      onStatus: (said) => void (status = said),
    },
    refuse: (refusal) => refuse(style, wordRefusal(endpoint, inspected, refusal)),
  };
  return { request, slow: { style, path, streaming, status: () => status, onGone: () => left.abort() } };
}

function leaseRequest(c: Context<HonoEnv>, endpoint: Endpoint, inspected: Timed, body: Uint8Array): LeaseRequest {
  const prefix = prefixOf(c, endpoint, inspected, body);
  const client: unknown = c.req.raw.cf?.["clientIp"];
  return {
    requestId: c.var.requestId,
    principal: principalOf(c.var.caller, c.req.header("hive-priority")),
    ...askedOf(inspected),
    kind: endpoint.kind,
    streaming: inspected.streaming,
    runner: inspected.runner,
    unloads: inspected.unloads,
    numCtx: inspected.numCtx,
    promptBytes: inspected.prompt.textBytes,
    numPredict: cappedBy(c.var.caller.maxOutput, inspected.numPredict),
    prefix: prefix.hashes,
    prefixEnds: prefix.ends,
    deadlineAt: inspected.deadlineAt,
    pinnedHost: pinOf(c),
    exclude: [],
    attempt: 1,
    connection: typeof client === "string" ? client : undefined,
  };
}

/** A cloud model is on no host: whoever may run such takes it, and what it can do is not known here. */
function askedOf({ model, needs }: Inspected): Pick<LeaseRequest, "model" | "needs" | "cloud"> {
  return model.source === "cloud" ? { needs: [], cloud: true } : { model: model.canonical, needs };
}

function prefixOf(
  c: Context<HonoEnv>,
  { kind }: Endpoint,
  { prompt, model }: Inspected,
  body: Uint8Array,
): PromptPrefix {
  // Embeddings and questions about models leave nothing in a prompt cache.
  if (kind === "embed" || kind === "control") return NO_PREFIX;
  const { caller, prepared } = c.var;
  return hashPrompt(tenantKey(prepared.prefixKey, caller.principal.tenant), model.canonical, prompt, body);
}

/** Ollama's own words where Ollama has some; the cell's detail otherwise. */
function wordRefusal(endpoint: Endpoint, inspected: Inspected, refusal: Refusal): RefusalText {
  return {
    code: refusal.code,
    message: words(endpoint, inspected, refusal),
    retryAfterSeconds: refusal.retryAfterSeconds,
    queue: refusal.queue,
  };
}

function words(endpoint: Endpoint, inspected: Inspected, refusal: Refusal): string {
  switch (refusal.code) {
    case "unknown_model":
      return endpoint.unknownModel(inspected.spelled, inspected.model.display);
    case "queue_full":
      return BUSY;
    case "missing_capability":
      return `"${inspected.spelled}" does not support ${inspected.needs.join(", ")}`;
    case "queue_timeout":
      return `hive: the wait for a slot ran out: ${refusal.detail}${placeText(refusal.queue)}`;
    default:
      return `hive: ${ERRORS[refusal.code].title.toLowerCase()}: ${refusal.detail}`;
  }
}

function placeText(place: QueuePlace | undefined): string {
  if (place === undefined) return "";
  const { position, expectedWaitMs } = place;
  const wait = expectedWaitMs === undefined ? "" : `, about ${Math.ceil(expectedWaitMs / 1_000)} s more`;
  return ` (position ${position} in the queue${wait})`;
}

/** All inference endpoints with their handlers. */
export const inferenceRoutes = [...ENDPOINTS.values()].map((endpoint) => ({
  path: endpoint.path,
  handler: inference(endpoint),
}));
