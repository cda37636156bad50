// The inference routes of the OpenAI style API: translate, then let the native route answer.
import type { EmbedAnswer } from "./embed.ts";
import type { Exchange } from "../exchange.ts";
import type { GoType } from "../go/go-types.ts";
import type { Host } from "../host.ts";
import { parseModelName } from "../../../wire/model-name.ts";
import { answerChat } from "./chat.ts";
import { embed } from "./embed.ts";
import { sendError, sendJson } from "../exchange.ts";
import { answerGenerate } from "./generate.ts";
import { decodeBody } from "../go/go-decode.ts";
import { goJson } from "../go/go-json.ts";
import { goString, goStruct } from "../go/go-types.ts";
import { CLOUD_MODEL_OFF } from "./inference.ts";
import { generateRequest } from "./native-requests.ts";
import { fromChatCompletion, stopOption } from "./openai-chat.ts";
import { chatCompletionRequest, completionRequest, openaiEmbedRequest } from "./openai-requests.ts";
import { Refusal } from "../refusal.ts";
import { plainBody } from "../zstd-body.ts";
import { chatCompletionVoice, completionVoice, openaiError } from "./voice-openai.ts";

/** Decodes and translates; what goes wrong here is answered in the OpenAI shape, and undefined given. */
export function translate<T, R>(
  exchange: Exchange,
  type: GoType<T>,
  toRequest: (given: T) => R,
  shape: (status: number, message: string) => object = openaiError,
): { readonly given: T; readonly request: R } | undefined {
  const body = acceptedBody(exchange);
  if (body === undefined) return undefined;
  const decoded = decodeBody(type, body);
  if (!decoded.ok) {
    sendJson(exchange, 400, shape(400, decoded.error));
    return undefined;
  }
  try {
    return { given: decoded.value, request: toRequest(decoded.value) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    sendJson(exchange, error.status, shape(error.status, error.message));
    return undefined;
  }
}

const modelField = goStruct("struct { Model string }", { model: goString });

/** The body, decompressed; what Ollama's passthrough for cloud models refuses is answered in the native shape. */
function acceptedBody(exchange: Exchange): Buffer | undefined {
  try {
    const body = plainBody(exchange);
    const decoded = decodeBody(modelField, body);
    const name = parseModelName(decoded.ok ? decoded.value.model : "");
    if (name.ok && name.value.source === "cloud")
      throw new Refusal(403, `ollama cloud is disabled: ${CLOUD_MODEL_OFF}`);
    return body;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    sendError(exchange, error.status, error.message);
    return undefined;
  }
}

export async function handleChatCompletions(host: Host, exchange: Exchange): Promise<void> {
  const translated = translate(exchange, chatCompletionRequest, (given) => {
    if ((given.messages ?? []).length === 0) throw new Refusal(400, "[] is too short - 'messages'");
    return fromChatCompletion(given);
  });
  if (translated === undefined) return;
  const { given, request } = translated;
  await answerChat(host, exchange, {
    request,
    voice: chatCompletionVoice(given.stream_options?.include_usage === true),
    maxTokens: positive(given.max_tokens),
    relaxThinking: false,
  });
}

export async function handleCompletions(host: Host, exchange: Exchange): Promise<void> {
  const translated = translate(exchange, completionRequest, (given) => ({
    ...generateRequest.zero(),
    model: given.model,
    prompt: given.prompt,
    suffix: given.suffix,
    stream: given.stream,
    logprobs: (given.logprobs ?? 0) > 0,
    top_logprobs: Math.max(0, given.logprobs ?? 0),
    options: { ...(given.seed === null ? {} : { seed: given.seed }), ...stopOption(given.stop) },
    _debug_render_only: given._debug_render_only,
  }));
  if (translated === undefined) return;
  const { given, request } = translated;
  const voice = completionVoice(given.stream_options?.include_usage === true);
  await answerGenerate(host, exchange, { request, voice, maxTokens: positive(given.max_tokens) });
}

function positive(limit: number | null): number | undefined {
  return limit !== null && limit > 0 ? limit : undefined;
}

export async function handleOpenaiEmbeddings(host: Host, exchange: Exchange): Promise<void> {
  const translated = translate(exchange, openaiEmbedRequest, (given) => {
    checkEncoding(given.encoding_format);
    const input = given.input === "" ? [""] : given.input;
    if (input === null || (Array.isArray(input) && input.length === 0)) throw new Refusal(400, "invalid input");
    return { model: given.model, input, dimensions: given.dimensions, keep_alive: null, truncate: null, options: null };
  });
  if (translated === undefined) return;
  const { given, request } = translated;
  const answer = await embed(host, exchange, request);
  if (answer === undefined) return;
  const base64 = given.encoding_format.toLowerCase() === "base64";
  exchange.reply.whole(200, "application/json", `${goJson(embeddingList(answer, base64))}\n`);
}

function checkEncoding(format: string): void {
  if (["", "float", "base64"].includes(format.toLowerCase())) return;
  throw new Refusal(400, `Invalid value for 'encoding_format' = ${format}. Supported values: ['float', 'base64'].`);
}

function embeddingList(answer: EmbedAnswer, base64: boolean): object {
  const tokens = answer.prompt_eval_count ?? 0;
  return {
    object: "list",
    data: answer.embeddings.map((vector, index) => ({
      object: "embedding",
      embedding: base64 ? Buffer.from(Float32Array.from(vector).buffer).toString("base64") : vector,
      index,
    })),
    model: answer.model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
