// /api/chat, and what the OpenAI and Anthropic style routes make of it.
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { Capability } from "../machine/model.ts";
import type { Job } from "./inference.ts";
import type { ModelOptions } from "./model-options.ts";
import type { ChatRequest, Tool } from "./native-requests.ts";
import type { RenderedPrompt } from "../machine/render.ts";
import type { StoredModel } from "../machine/store.ts";
import type { Voice } from "./voice.ts";
import { planAnswer } from "../machine/answer.ts";
import { formatText } from "./format.ts";
import { holdRunner, modelNameOrRefuse, refuseRemote, requireCapabilities, speak, strikeEarly } from "./inference.ts";
import { readModelOptions } from "./model-options.ts";
import { Refusal } from "../refusal.ts";
import { renderChat } from "../machine/render.ts";
import { valueForSchema } from "./schema-value.ts";
import { emptyPiece } from "./voice.ts";

type ChatCall = {
  readonly request: ChatRequest;
  readonly voice: Voice;
  /** A limit that shortens an answer and never lengthens one, unlike num_predict here. */
  readonly maxTokens: number | undefined;
  /** Anthropic style: a model that cannot think is not an error. */
  readonly relaxThinking: boolean;
};

/** Answers a chat request that has been decoded. */
export async function answerChat(host: Host, exchange: Exchange, call: ChatCall): Promise<void> {
  const startedMs = performance.now();
  const { request } = call;
  const model = findModel(host, request);
  refuseRemote(model);
  const empty = (request.messages ?? []).length === 0;
  const fault = exchange.takeFault(request.model, !empty);
  if (await strikeEarly(exchange, fault)) return;

  if (empty && request.keep_alive === 0) {
    host.scheduler.expire(model);
    return sendEmpty(exchange, call, "unload");
  }
  const thinks = checkNeeds(model, call);
  const options = optionsOf(request);
  const held = await holdRunner(host, exchange, { model, options, keepAliveMs: request.keep_alive }, fault);
  try {
    if (empty) return sendEmpty(exchange, call, "load");
    const prompt = renderChat(request.messages ?? [], request.tools ?? [], model.system);
    if (request._debug_render_only) return sendDebug(exchange, request.model, prompt.text);
    await speak(exchange, held, { ...jobFor(call, { model, options, thinks, prompt }), fault, startedMs });
  } finally {
    held.release();
  }
}

function sendEmpty(exchange: Exchange, { request, voice }: ChatCall, doneReason: "load" | "unload"): void {
  exchange.reply.whole(200, voice.wholeType, voice.whole({ ...emptyPiece(request.model), done: true, doneReason }));
}

type Prepared = {
  readonly model: StoredModel;
  readonly options: ModelOptions;
  readonly thinks: boolean;
  readonly prompt: RenderedPrompt;
};

function jobFor(call: ChatCall, prepared: Prepared): Omit<Job, "fault" | "startedMs"> {
  const { request, voice } = call;
  const { model, options, thinks, prompt } = prepared;
  const messages = request.messages ?? [];
  const stream = request.stream ?? true;
  checkImages(model, messages, stream);
  const answer = planAnswer({
    model,
    prompt: prompt.text,
    prefill: prompt.prefill,
    seed: options.seed,
    thinks,
    exactTokens: exactTokens(options),
    maxTokens: call.maxTokens,
    stop: options.stop,
    fixedText: formatText(request.format, stream),
    toolCall: calledTool(request.tools ?? [], messages),
  });
  return {
    spelled: request.model,
    stream,
    answer,
    prompt: prompt.text,
    promptTokens: prompt.tokens,
    topLogprobs: request.logprobs ? request.top_logprobs : undefined,
    contextOf: undefined,
    voice,
  };
}

function findModel(host: Host, request: ChatRequest): StoredModel {
  checkTopLogprobs(request.top_logprobs);
  const name = modelNameOrRefuse(request.model, { status: 400, message: "model is required" });
  const model = host.store.find(name);
  if (model === undefined) throw new Refusal(404, `model '${request.model}' not found`);
  return model;
}

/** Refuses what the model cannot do; says whether it thinks. */
function checkNeeds(model: StoredModel, call: ChatCall): boolean {
  const { request } = call;
  const canThink = model.capabilities.includes("thinking");
  const wantsThinking = request.think !== null && request.think !== false;
  if (!canThink && wantsThinking && !call.relaxThinking) {
    throw new Refusal(400, `${JSON.stringify(request.model)} does not support thinking`);
  }
  const needs: Capability[] = (request.tools ?? []).length > 0 ? ["completion", "tools"] : ["completion"];
  requireCapabilities(model, request.model, needs, "chat");
  return canThink && request.think !== false;
}

/** Ollama's bounds for top_logprobs. */
export function checkTopLogprobs(topLogprobs: number): void {
  if (topLogprobs < 0 || topLogprobs > 20) throw new Refusal(400, "top_logprobs must be between 0 and 20");
}

/** The options of a request, or Ollama's error for them. */
export function optionsOf(request: {
  readonly options: Record<string, unknown> | null;
  readonly shift?: boolean | null;
}): ModelOptions {
  const options = readModelOptions(request.options, request.shift ?? true);
  if (!options.ok) throw new Refusal(500, options.error);
  return options.value;
}

/** num_predict, where it asks for a number of tokens. */
export function exactTokens(options: ModelOptions): number | undefined {
  return options.numPredict !== undefined && options.numPredict > 0 ? options.numPredict : undefined;
}

// The runner's own JSON: Ollama passes it on as a text.
const NO_IMAGES = JSON.stringify({
  error: {
    code: 500,
    message: "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
    type: "server_error",
  },
});

/** The runner's refusal of a picture that the model cannot see. */
export function checkImages(
  model: StoredModel,
  messages: readonly { readonly images: unknown[] | null }[],
  stream: boolean,
): void {
  if (model.capabilities.includes("vision") || model.capabilities.includes("audio")) return;
  if (messages.every((message) => (message.images ?? []).length === 0)) return;
  throw new Refusal(500, NO_IMAGES, stream);
}

function calledTool(
  tools: readonly Tool[],
  messages: readonly { readonly role: string; readonly content: string }[],
): { name: string; arguments: unknown } | undefined {
  const last = messages.at(-1);
  if (last?.role !== "user") return undefined;
  const tool = tools.find(({ function: { name } }) => name !== "" && last.content.includes(name));
  if (tool === undefined) return undefined;
  const { name, parameters } = tool.function;
  const schema = { type: "object", $defs: parameters.$defs, properties: parameters.properties ?? {} };
  return { name, arguments: valueForSchema(schema, "honey") };
}

function sendDebug(exchange: Exchange, model: string, rendered: string): void {
  const body = { model, created_at: new Date().toISOString(), _debug_info: { rendered_template: rendered } };
  exchange.reply.whole(200, "application/json; charset=utf-8", JSON.stringify(body));
}
