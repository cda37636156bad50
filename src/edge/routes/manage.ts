// Management of models: pull, push, create, copy and delete, at the hosts where that makes the fleet one Ollama.
import type { Context } from "hono";
import { ERRORS } from "../../wire/errors.ts";
import type { Refusal } from "../../wire/lease.ts";
import type { WorkPlan } from "../../wire/model-work.ts";
import { formatSize } from "../../wire/size.ts";
import { pipeStream } from "../request/answer.ts";
import type { Lost } from "../request/answer.ts";
import { beginInTime } from "../request/early-commit.ts";
import type { HonoEnv } from "../env.ts";
import type { Forwarded } from "../leg/forward.ts";
import { nativeJson } from "../go-json.ts";
import { forwarded } from "../leg/forwarded.ts";
import { lostRecord } from "../request/lost-record.ts";
import { mergeProgress } from "../models/merge-progress.ts";
import { callTargets, readWish, workHeaders } from "../models/model-work.ts";
import type { HostAnswer } from "../models/model-work.ts";
import { planWork } from "../models/plan-work.ts";
import { readBody } from "../body/read-body.ts";
import { refuse } from "../refuse.ts";
import type { RefusalText } from "../refuse.ts";
import { areStreams, combine, readAnswers } from "../models/work-answer.ts";
import { readWorkRequest, WORK_ROUTES } from "../models/work-request.ts";
import type { WorkRoute } from "../models/work-request.ts";

const PROGRESS_HEADER = "hive-progress";

/** Handles one route of the table. */
export function manage(route: WorkRoute) {
  return async function manageModel(c: Context<HonoEnv>): Promise<Response> {
    const { settings } = c.var.prepared;
    const body = await readBody(c.req.raw, settings.MAX_BODY);
    if (!body.ok) {
      const message = `request body larger than ${formatSize(settings.MAX_BODY)}`;
      return refuse("ollama", { code: "too_large", message });
    }
    const cloudAllowed = settings.ALLOW_CLOUD_MODELS;
    const read = readWorkRequest(route, body.value, { caller: c.var.caller, cloudAllowed });
    if (!read.ok) return refuse("ollama", read.error);
    const wish = readWish(c);
    if (!wish.ok) return refuse("ollama", wish.error);
    const { spelled, model, names, streaming } = read.value;
    c.set("about", names.join(" "));
    // Nothing is named: some host says so.
    const work = spelled === "" ? "create" : route.work;
    const plan = await planWork(c, { work, model, ...wish.value });
    if (!plan.ok) return refuse("ollama", wordRefusal(route, spelled, plan.error));
    const request = { ...(await forwarded(c, route.path, body.value, model)), method: route.method };
    const abort = new AbortController();
    const slow = { style: "ollama", path: route.path, streaming, status: () => undefined } as const;
    const onGone = (): void => abort.abort();
    return await beginInTime(c, { ...slow, onGone }, carryOut(c, plan.value, request, abort));
  };
}

async function carryOut(
  c: Context<HonoEnv>,
  plan: WorkPlan,
  request: Forwarded,
  abort: AbortController,
): Promise<Response> {
  const answers = await callTargets(c, plan.targets, request, abort);
  const headers = workHeaders(c, plan);
  if (areStreams(answers)) return stream(c, answers, headers, abort);
  return combine(await readAnswers(answers), headers);
}

/** One host's progress is passed on as it is; that of several is merged. */
function stream(
  c: Context<HonoEnv>,
  answers: readonly HostAnswer[],
  headers: Record<string, string>,
  abort: AbortController,
): Response {
  const perHost = c.req.header(PROGRESS_HEADER) === "hosts";
  const only = answers.length === 1 && !perHost ? answers[0]?.leg : undefined;
  const lost = (): Lost => ({
    record: lostRecord({ style: "ollama", path: c.req.path, begun: new Uint8Array(0) }),
    outcome: { type: "host-failed", reason: "died in the middle of its work" },
  });
  const { KEEP_ALIVE: keepAliveMs } = c.var.prepared.settings;
  const { body, ended } =
    only?.ok === true
      ? pipeStream(only.value, lost)
      : mergeProgress(answers, { perHost, keepAliveMs, onLeft: () => abort.abort() });
  c.executionCtx.waitUntil(ended);
  return new Response(body, { headers: { ...headers, "content-type": "application/x-ndjson" } });
}

/** Ollama's words for a model that is not there; the cell's for everything else. */
function wordRefusal({ work }: WorkRoute, spelled: string, refusal: Refusal): RefusalText {
  const { code, detail, retryAfterSeconds } = refusal;
  if (code !== "unknown_model") {
    return { code, message: `hive: ${ERRORS[code].title.toLowerCase()}: ${detail}`, retryAfterSeconds };
  }
  const message = work === "copy" ? `model ${JSON.stringify(spelled)} not found` : `model '${spelled}' not found`;
  return { code, message };
}

/**
 * Whom a push is for: `ollama push` asks first, and gives up without an answer. To the edge that is the tenant; the account of
 * the host that pushes is nobody's business.
 */
export function showTenant(c: Context<HonoEnv>): Response {
  return nativeJson({ name: c.var.caller.principal.tenant });
}

/** All routes with their handlers. */
export const workRoutes = WORK_ROUTES.map((route) => ({
  method: route.method,
  path: route.path,
  handler: manage(route),
}));
