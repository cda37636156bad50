// /api/embed, /api/embeddings and /v1/embeddings: vectors that depend on nothing but model and input.
import { createHash } from "node:crypto";
import type { Exchange } from "../exchange.ts";
import type { Host } from "../host.ts";
import type { SimulatedModel } from "../machine/model.ts";
import { mix } from "../machine/answer.ts";
import { optionsOf } from "./chat.ts";
import { float32Text } from "../go/go-json.ts";
import { holdRunner, modelNameOrRefuse, strikeEarly } from "./inference.ts";
import { Refusal } from "../refusal.ts";
import { elapsedNs } from "../machine/runner.ts";
import { pause } from "../machine/pause.ts";
import { countTokens } from "../machine/tokens.ts";

type EmbedCall = {
  readonly model: string;
  readonly input: unknown;
  readonly keep_alive: number | null;
  readonly truncate: boolean | null;
  readonly dimensions: number;
  readonly options: Record<string, unknown> | null;
};

export type EmbedAnswer = {
  readonly model: string;
  readonly embeddings: number[][];
  readonly total_duration?: number;
  readonly load_duration?: number;
  readonly prompt_eval_count?: number;
};

/** Embeds one or many texts; undefined when a fault has ended the request. */
export async function embed(host: Host, exchange: Exchange, call: EmbedCall): Promise<EmbedAnswer | undefined> {
  const startedMs = performance.now();
  const name = modelNameOrRefuse(call.model, { status: 404, message: `model '${call.model}' not found` });
  const inputs = readInputs(call.input);
  const model = host.store.find(name);
  if (model === undefined)
    throw new Refusal(404, `model ${JSON.stringify(call.model)} not found, try pulling it first`);
  const fault = exchange.takeFault(call.model, inputs.length > 0);
  if (await strikeEarly(exchange, fault)) return undefined;

  const options = optionsOf(call);
  const held = await holdRunner(host, exchange, { model, options, keepAliveMs: call.keep_alive }, fault);
  try {
    if (inputs.length === 0) return { model: call.model, embeddings: [] };
    const limit = held.runner.contextLength;
    const tokens = inputs.map((input) => countTokens(input));
    if (call.truncate === false && tokens.some((count) => count > limit)) {
      throw new Refusal(400, "the input length exceeds the context length");
    }
    const counted = tokens.map((count) => Math.min(count, limit));
    // Ollama's runner has one slot for embeddings: a batch is done one input after the other.
    for (const count of counted) {
      await held.runner.withPlace(exchange.signal, async () => {
        await pause((count / model.prefillTokensPerSecond) * 1000, exchange.signal);
      });
    }
    return {
      model: call.model,
      embeddings: inputs.map((input) => unitVector(model, input, call.dimensions)),
      total_duration: elapsedNs(startedMs),
      load_duration: held.loadNs,
      prompt_eval_count: counted.reduce((sum, count) => sum + count, 0),
    };
  } finally {
    held.release();
  }
}

/** The deprecated route: one prompt, a vector that is not normalised. */
export async function embedOld(
  host: Host,
  exchange: Exchange,
  call: { readonly model: string; readonly prompt: string } & Pick<EmbedCall, "keep_alive" | "options">,
): Promise<{ readonly embedding: number[] } | undefined> {
  const name = modelNameOrRefuse(call.model, { status: 400, message: "model is required" });
  const model = host.store.find(name);
  if (model === undefined)
    throw new Refusal(404, `model ${JSON.stringify(call.model)} not found, try pulling it first`);
  const fault = exchange.takeFault(call.model);
  if (await strikeEarly(exchange, fault)) return undefined;
  const held = await holdRunner(
    host,
    exchange,
    { model, options: optionsOf(call), keepAliveMs: call.keep_alive },
    fault,
  );
  try {
    if (call.prompt === "") return { embedding: [] };
    await held.runner.withPlace(exchange.signal, async () => {
      await pause((countTokens(call.prompt) / model.prefillTokensPerSecond) * 1000, exchange.signal);
    });
    return { embedding: rawVector(model, call.prompt) };
  } finally {
    held.release();
  }
}

function readInputs(input: unknown): string[] {
  if (input === null) return [];
  if (typeof input === "string") return input === "" ? [] : [input];
  if (Array.isArray(input) && input.every((text) => typeof text === "string")) return input;
  throw new Refusal(400, "invalid input type");
}

function unitVector(model: SimulatedModel, input: string, dimensions: number): number[] {
  const whole = rawVector(model, input);
  const cut = dimensions > 0 && dimensions < whole.length ? whole.slice(0, dimensions) : whole;
  const norm = Math.sqrt(cut.reduce((sum, value) => sum + value * value, 0));
  return cut.map((value) => float32Text(value / norm));
}

function rawVector(model: SimulatedModel, input: string): number[] {
  const seed = createHash("sha1").update(`${model.digest}\0embed\0${input}`).digest().readUInt32LE(0);
  return Array.from({ length: model.embeddingLength }, (_, index) => float32Text(mix(seed, index) / 2 ** 31 - 1));
}
