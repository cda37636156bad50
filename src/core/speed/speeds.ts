// What is known of speeds: per runner from its own samples; where it has none, from its host's others and from its model elsewhere.
import type { Reuse } from "../displacement.ts";
import type { BatchGain, DecodeTable } from "./decode-table.ts";
import { aloneSpeed, decodeSpeeds, newDecodeTable } from "./decode-table.ts";
import type { Estimate } from "./estimate.ts";
import { newEstimate, valueOr } from "./estimate.ts";
import type { OutputLengths } from "./output-length.ts";
import { newOutputLengths } from "./output-length.ts";

/** Of one (host, model, context size). */
export interface RunnerSpeed {
  /** Tokens per ms at depth 0. */
  readonly prefill: Estimate;
  readonly decode: DecodeTable;
  /** Loads in ms: from disk, and while the file is in the page cache. */
  readonly coldLoad: Estimate;
  readonly warmLoad: Estimate;
  /** What reading takes besides its tokens (saved prompts that are moved, the start of a step), ms. */
  readonly readStart: { value: number; samples: number };
  /** Part of a predicted prefix hit that comes true. */
  hitTrust: number;
  /** Tokens that were expected in the cache, and those of them that were there, both fading. */
  readonly hits: { predicted: number; true: number };
  /** When the model was last in memory here. */
  residentAt: number;
  /** Changes with every sample. */
  version: number;
  rates?: Rates | undefined;
}

/** Of one host, over its models: speeds times the bytes of the model, which differ little between models. */
export interface HostSpeed {
  readonly prefill: Estimate;
  readonly decode: Estimate;
  /** Ms per byte. */
  readonly coldLoad: Estimate;
  readonly warmLoad: Estimate;
  readonly batchGain: BatchGain;
}

/** Of one model, over all hosts. */
export interface ModelSpeed {
  readonly bytesPerToken: Estimate;
  /** How much faster than its bytes let expect. */
  readonly prefillFactor: Estimate;
  readonly decodeFactor: Estimate;
  readonly lengths: OutputLengths;
  readonly reuse: Reuse;
}

/** Of the whole fleet. */
export interface FleetSpeed {
  /** What a host is like of which nothing is known. */
  readonly typical: HostSpeed;
  readonly models: Map<string, ModelSpeed>;
  /** Changes with every sample. */
  version: number;
}

/** What a decision reads: no more lookups. */
export interface Rates {
  readonly runnerVersion: number;
  readonly fleetVersion: number;
  /** Whether they come from the runner's own samples, so that no others change them. */
  readonly own: boolean;
  /** Tokens per ms at depth 0. */
  readonly prefill: number;
  /** Tokens per ms of each request in a batch of 1, 2, …. */
  readonly decode: readonly number[];
  readonly coldLoadMs: number;
  readonly warmLoadMs: number;
}

/** Llama-3-8B Q4 (4.9 GB) on a middling GPU: 2,000 tok/s read, 50 tok/s written. */
const PRIOR_PREFILL = 2 * 4.9e9;
const PRIOR_DECODE = 0.05 * 4.9e9;
/** NVMe as Ollama reads it, and from the page cache, ms per byte. */
const PRIOR_COLD_LOAD = 1 / 2e6;
const PRIOR_WARM_LOAD = 1 / 6e6;
/** What a load takes besides its bytes. */
export const LOAD_START_MS = 800;
const PRIOR_BYTES_PER_TOKEN = 4;
/** Hits are believed until so many tokens of them speak against it. */
const HIT_PRIOR_TOKENS = 4_000;
/** A heartbeat without sizes. */
const PRIOR_MODEL_BYTES = 4.9e9;

/** Makes what is known of a fleet at its start. */
export function newFleetSpeed(): FleetSpeed {
  return { typical: newHostSpeed(), models: new Map(), version: 0 };
}

export function newHostSpeed(): HostSpeed {
  const [prefill, decode, coldLoad, warmLoad] = [newEstimate(), newEstimate(), newEstimate(), newEstimate()];
  return { prefill, decode, coldLoad, warmLoad, batchGain: { value: 1, samples: 0 } };
}

export function newRunnerSpeed(): RunnerSpeed {
  const estimates = { prefill: newEstimate(), coldLoad: newEstimate(), warmLoad: newEstimate() };
  const hits = { predicted: HIT_PRIOR_TOKENS, true: HIT_PRIOR_TOKENS };
  const readStart = { value: 0, samples: 0 };
  return { ...estimates, decode: newDecodeTable(), readStart, hitTrust: 1, hits, residentAt: -Infinity, version: 0 };
}

/** Answers what is known of a model, from now on if not before. */
export function modelSpeed(fleet: FleetSpeed, model: string): ModelSpeed {
  const known = fleet.models.get(model);
  if (known !== undefined) return known;
  const [bytesPerToken, prefillFactor, decodeFactor] = [newEstimate(), newEstimate(), newEstimate()];
  const fresh = {
    bytesPerToken,
    prefillFactor,
    decodeFactor,
    lengths: newOutputLengths(),
    reuse: { value: 0, samples: 0 },
  };
  fleet.models.set(model, fresh);
  return fresh;
}

/** Estimates the tokens of a prompt from the bytes of its text. */
export function promptTokens({ bytesPerToken }: ModelSpeed, promptBytes: number): number {
  return Math.max(1, promptBytes / valueOr(bytesPerToken, PRIOR_BYTES_PER_TOKEN));
}

/** Estimates the bytes of text in so many tokens of a prompt. */
export function textBytes({ bytesPerToken }: ModelSpeed, tokens: number): number {
  return tokens * valueOr(bytesPerToken, PRIOR_BYTES_PER_TOKEN);
}

export interface RateSubject {
  readonly fleet: FleetSpeed;
  readonly host: HostSpeed;
  readonly model: ModelSpeed;
  readonly runner: RunnerSpeed;
  /** Size of the model's file. */
  readonly modelBytes: number;
}

/** Answers a runner's rates; they are computed anew only where a sample may have changed them. */
export function ratesOf(subject: RateSubject): Rates {
  const { runner, fleet } = subject;
  const known = runner.rates;
  if (known?.runnerVersion === runner.version && (known.own || known.fleetVersion === fleet.version)) return known;
  const rates = computeRates(subject);
  runner.rates = rates;
  return rates;
}

function computeRates({ fleet, host, model, runner, modelBytes }: RateSubject): Rates {
  const bytes = modelBytes > 0 ? modelBytes : PRIOR_MODEL_BYTES;
  const { typical } = fleet;
  const normalPrefill = valueOr(host.prefill, valueOr(typical.prefill, PRIOR_PREFILL));
  const normalDecode = valueOr(host.decode, valueOr(typical.decode, PRIOR_DECODE));
  const priorAlone = (normalDecode * valueOr(model.decodeFactor, 1)) / bytes;
  const alone = aloneSpeed(runner.decode, host.batchGain) ?? priorAlone;
  const cold = LOAD_START_MS + bytes * valueOr(host.coldLoad, valueOr(typical.coldLoad, PRIOR_COLD_LOAD));
  const warm = LOAD_START_MS + bytes * valueOr(host.warmLoad, valueOr(typical.warmLoad, PRIOR_WARM_LOAD));
  return {
    runnerVersion: runner.version,
    fleetVersion: fleet.version,
    own: runner.prefill.samples > 0 && runner.decode.seen.length > 0,
    prefill: valueOr(runner.prefill, (normalPrefill * valueOr(model.prefillFactor, 1)) / bytes),
    decode: decodeSpeeds(runner.decode, host.batchGain, alone),
    coldLoadMs: valueOr(runner.coldLoad, cold),
    warmLoadMs: valueOr(runner.warmLoad, warm),
  };
}
