// /api/generate, and what /v1/completions makes of it.
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { Job } from "./inference.ts";
import type { Capability } from "../machine/model.ts";
import type { ModelOptions } from "./model-options.ts";
import type { GenerateRequest } from "./native-requests.ts";
import type { StoredModel } from "../machine/store.ts";
import type { Voice } from "./voice.ts";
import { planAnswer } from "../machine/answer.ts";
import { checkImages, checkTopLogprobs, exactTokens, optionsOf } from "./chat.ts";
import { formatText } from "./format.ts";
import { goTime } from "../go/go-json.ts";
import { holdRunner, modelNameOrRefuse, refuseRemote, requireCapabilities, speak, strikeEarly } from "./inference.ts";
import { Refusal } from "../refusal.ts";
import { imageMark } from "../machine/render.ts";
import { TOKENS_PER_IMAGE, countTokens, decodeTokens, encodeTokens } from "../machine/tokens.ts";
import { emptyPiece, preciseNow } from "./voice.ts";

type GenerateCall = {
  readonly request: GenerateRequest;
  readonly voice: Voice;
  readonly maxTokens: number | undefined;
};

/** Answers a generate request that has been decoded. */
export async function answerGenerate(host: Host, exchange: Exchange, call: GenerateCall): Promise<void> {
  const startedMs = performance.now();
  const { request } = call;
  const model = findModel(host, request);
  refuseRemote(model);
  const fault = exchange.takeFault(request.model, request.prompt !== "");
  if (await strikeEarly(exchange, fault)) return;

  if (request.prompt === "" && request.keep_alive === 0) {
    host.scheduler.expire(model);
    return sendEmpty(exchange, call, "unload");
  }
  if (request.raw && (request.template !== "" || request.system !== "" || (request.context ?? []).length > 0)) {
    throw new Refusal(400, "raw mode does not support template, system, or context");
  }
  const thinks = checkNeeds(model, request);
  const options = optionsOf(request);
  const held = await holdRunner(host, exchange, { model, options, keepAliveMs: request.keep_alive }, fault);
  try {
    if (request.prompt === "") return sendEmpty(exchange, call, "load");
    const prompt = renderPrompt(request, model);
    if (request._debug_render_only) return sendDebug(exchange, request.model, prompt);
    await speak(exchange, held, { ...jobFor(call, { model, options, thinks, prompt }), fault, startedMs });
  } finally {
    held.release();
  }
}

function sendEmpty(exchange: Exchange, { request, voice }: GenerateCall, doneReason: "load" | "unload"): void {
  exchange.reply.whole(200, voice.wholeType, voice.whole({ ...emptyPiece(request.model), done: true, doneReason }));
}

type Prepared = {
  readonly model: StoredModel;
  readonly options: ModelOptions;
  readonly thinks: boolean;
  readonly prompt: string;
};

function jobFor(call: GenerateCall, prepared: Prepared): Omit<Job, "fault" | "startedMs"> {
  const { request, voice } = call;
  const { model, options, thinks, prompt } = prepared;
  const stream = request.stream ?? true;
  checkImages(model, [request], stream);
  const answer = planAnswer({
    model,
    prompt,
    prefill: "",
    seed: options.seed,
    thinks,
    exactTokens: exactTokens(options),
    maxTokens: call.maxTokens,
    stop: options.stop,
    fixedText: formatText(request.format, stream),
    toolCall: undefined,
  });
  return {
    spelled: request.model,
    stream,
    answer,
    prompt,
    promptTokens: countTokens(prompt) + (request.images?.length ?? 0) * TOKENS_PER_IMAGE,
    topLogprobs: request.logprobs ? request.top_logprobs : undefined,
    contextOf: request.raw ? undefined : (said) => encodeTokens(prompt + said),
    voice,
  };
}

function findModel(host: Host, request: GenerateRequest): StoredModel {
  checkTopLogprobs(request.top_logprobs);
  const notFound = `model '${request.model}' not found`;
  const name = modelNameOrRefuse(request.model, { status: 404, message: notFound });
  const model = host.store.find(name);
  if (model === undefined) throw new Refusal(404, notFound);
  return model;
}

function checkNeeds(model: StoredModel, request: GenerateRequest): boolean {
  const canThink = model.capabilities.includes("thinking");
  if (!canThink && request.think !== null && request.think !== false) {
    throw new Refusal(400, `${JSON.stringify(request.model)} does not support thinking`);
  }
  const needs: Capability[] = request.suffix === "" ? ["completion"] : ["completion", "insert"];
  requireCapabilities(model, request.model, needs, "generate");
  return canThink && request.think !== false;
}

function renderPrompt(request: GenerateRequest, model: StoredModel): string {
  if (request.raw) return request.prompt;
  if (request.suffix !== "") return `<|prefix|>${request.prompt}<|suffix|>${request.suffix}<|middle|>`;
  const before = request.context === null ? "" : decodeTokens(request.context);
  const system = request.system || model.system;
  const said = system === "" ? "" : `<|system|>${system}<|end|>\n`;
  const images = (request.images ?? []).map(imageMark).join("");
  return `${before}${said}<|user|>${images}${request.prompt}<|end|>\n<|assistant|>`;
}

function sendDebug(exchange: Exchange, model: string, rendered: string): void {
  const body = { model, created_at: goTime(preciseNow()), response: "", done: false };
  const debug = { ...body, _debug_info: { rendered_template: rendered } };
  exchange.reply.whole(200, "application/json; charset=utf-8", JSON.stringify(debug));
}
