// From what a host measured of one request to what is known of speeds: each figure only where it is clean.
import { learnDecode } from "./decode-table.ts";
import { cachedTokensOf, decodeDepthFactor, prefillWork } from "./depth.ts";
import { learn, valueOr } from "./estimate.ts";
import { learnLength } from "./output-length.ts";
import { LOAD_START_MS, ratesOf } from "./speeds.ts";
import type { RateSubject, RunnerSpeed } from "./speeds.ts";

/** A finished request: what its host measured, beside what the fleet knew of it. */
export interface Sample {
  readonly shape: string;
  readonly promptBytes: number;
  /** Bytes of the prompt that were expected in the cache. */
  readonly matchedBytes: number;
  /** As counted by the host, else as expected. */
  readonly promptTokens: number;
  readonly countedTokens?: number | undefined;
  readonly promptMs?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly outputMs?: number | undefined;
  readonly loadMs?: number | undefined;
  /** Whether the load found the model's file in the page cache. */
  readonly fromPageCache: boolean;
  /** Time in which others' prompts were read while this one waited to be read, as expected. */
  readonly prefillHeldMs: number;
  /** Time in which others' prompts were read while this one's answer was written, as expected. */
  readonly decodeHeldMs: number;
  /** Averages while the answer was written. */
  readonly concurrency: number;
  readonly busyModels: number;
}

const PREFILL_FLOOR = 0.15;
const HOST_FLOOR = 0.1;
const MODEL_FLOOR = 0.05;
const BYTES_FLOOR = 0.1;
const LOAD_FLOOR = 0.3;
const START_FLOOR = 0.05;
const HIT_FADE = 0.05;
/** Shorter prompts say nothing of reading; those up to the second limit of its start as well as of its rate. */
const LEAST_READ_TOKENS = 256;
const LONG_READ_TOKENS = 1_500;
/** With so many samples a rate is taken as known while something else is measured. */
const SURE_SAMPLES = 3;
/** Smaller hits save less time than what blurs its measurement. */
const LARGE_HIT_TOKENS = 1_000;
/** What was read in no less time than a whole prompt was not in the cache. */
const LEAST_TRUTH = 0.05;
/** Part of a reading's time that others may have had. */
const CLEAN_HELD = 0.1;
const READ_START_MAX_MS = 1_000;
const LEAST_WRITTEN_TOKENS = 8;
/** More of a prompt in the cache than this says nothing of the rate. */
const CLEAN_HIT = 0.1;
/** However much of the time was others', a rate says a little. */
const LEAST_TRUST = 1e-4;
/** Obtaining a loaded runner takes a few ms. */
const LEAST_LOAD_MS = 300;

/** Takes one finished request; answers which part of an expected prefix hit came true, where that could be told. */
export function learnSample(subject: RateSubject, sample: Sample, now: number): number | undefined {
  const { fleet, model, runner } = subject;
  const { countedTokens, outputTokens, promptBytes, shape } = sample;
  // Images and what a template adds make a short text many tokens: that is no estimate of text.
  if (countedTokens !== undefined && countedTokens > 0 && promptBytes > 0) {
    learn(model.bytesPerToken, Math.max(0.5, promptBytes / countedTokens), BYTES_FLOOR);
  }
  if (outputTokens !== undefined && outputTokens > 0) learnLength(model.lengths, shape, outputTokens);
  learnLoad(subject, sample);
  const hitShare = learnPrefill(subject, sample);
  runner.hitTrust = Math.min(1, runner.hits.true / runner.hits.predicted);
  learnDecoding(subject, sample);
  runner.residentAt = now;
  runner.version += 1;
  fleet.version += 1;
  return hitShare;
}

function learnLoad({ host, fleet, runner, modelBytes }: RateSubject, sample: Sample): void {
  const { loadMs, fromPageCache: warm } = sample;
  if (loadMs === undefined || loadMs < LEAST_LOAD_MS) return;
  learn(warm ? runner.warmLoad : runner.coldLoad, loadMs, LOAD_FLOOR);
  if (modelBytes <= 0) return;
  const perByte = Math.max(0.1 * loadMs, loadMs - LOAD_START_MS) / modelBytes;
  learn(warm ? host.warmLoad : host.coldLoad, perByte, LOAD_FLOOR);
  learn(warm ? fleet.typical.warmLoad : fleet.typical.coldLoad, perByte, HOST_FLOOR);
}

function learnPrefill(subject: RateSubject, sample: Sample): number | undefined {
  const { runner } = subject;
  const { promptTokens, promptMs = 0, promptBytes, matchedBytes, prefillHeldMs, busyModels } = sample;
  if (promptTokens < LEAST_READ_TOKENS || promptMs <= 0) return undefined;
  const ownMs = (promptMs - prefillHeldMs) / Math.max(1, busyModels);
  if (ownMs <= 0) return undefined;
  // What others did meanwhile is only expected: the more of it, the less this says.
  const trust = Math.max(0, ownMs / promptMs) ** 2;
  const predicted = promptTokens * Math.min(1, matchedBytes / Math.max(1, promptBytes));
  const hit = runner.hitTrust * predicted;
  const work = prefillWork(promptTokens - hit, hit);
  const readMs = Math.max(0.2 * ownMs, ownMs - runner.readStart.value);
  const known = runner.prefill.samples >= SURE_SAMPLES;
  const long = Math.min(1, promptTokens / LONG_READ_TOKENS);
  if (predicted <= CLEAN_HIT * promptTokens) learnPrefillRate(subject, work / readMs, known ? trust * long : trust);
  if (!known) return undefined;
  const { prefill } = ratesOf(subject);
  if (predicted < LARGE_HIT_TOKENS) {
    if (long < 1) learnReadStart(runner, ownMs - work / prefill, trust);
    return undefined;
  }
  // Whoever had to wait for others' reading seems to have been read in full.
  if (prefillHeldMs > CLEAN_HELD * promptMs) return undefined;
  return learnHit(runner, predicted, cachedTokensOf(promptTokens, prefill * readMs));
}

/** A hit comes true nearly whole or not at all; moving saved prompts and others' reading hide much of what it saves. */
function learnHit({ hits }: RunnerSpeed, predicted: number, truth: number): number {
  const share = truth > LEAST_TRUTH * predicted ? 1 : 0;
  hits.predicted += predicted - HIT_FADE * hits.predicted;
  hits.true += share * predicted - HIT_FADE * hits.true;
  return share;
}

function learnReadStart({ readStart }: RunnerSpeed, overheadMs: number, trust: number): void {
  const sample = Math.min(READ_START_MAX_MS, Math.max(0, overheadMs));
  readStart.samples += 1;
  readStart.value += Math.max(START_FLOOR, 1 / readStart.samples) * trust * (sample - readStart.value);
}

function learnPrefillRate({ fleet, host, model, runner, modelBytes }: RateSubject, rate: number, trust: number): void {
  learn(runner.prefill, rate, PREFILL_FLOOR, trust);
  if (modelBytes <= 0) return;
  const normal = rate * modelBytes;
  if (host.prefill.samples > 0) learn(model.prefillFactor, normal / host.prefill.value, MODEL_FLOOR, trust);
  learn(host.prefill, normal / valueOr(model.prefillFactor, 1), HOST_FLOOR, trust);
  learn(fleet.typical.prefill, normal / valueOr(model.prefillFactor, 1), MODEL_FLOOR, trust);
}

function learnDecoding({ fleet, host, model, runner, modelBytes }: RateSubject, sample: Sample): void {
  const { promptTokens, outputTokens = 0, outputMs = 0, decodeHeldMs, concurrency, busyModels } = sample;
  if (outputTokens < LEAST_WRITTEN_TOKENS || outputMs <= 0) return;
  const ownMs = Math.max(0.3 * outputMs, outputMs - decodeHeldMs) / Math.max(1, busyModels);
  const rate = (outputTokens * decodeDepthFactor(promptTokens + outputTokens / 2)) / ownMs;
  // What others read meanwhile is only expected: the more of it, the less this says.
  const trust = Math.max(LEAST_TRUST, Math.max(0, 1 - decodeHeldMs / outputMs) ** 2);
  learnDecode(runner.decode, host.batchGain, { batch: concurrency, rate, trust });
  if (modelBytes <= 0 || Math.round(concurrency) > 1) return;
  const normal = rate * modelBytes;
  if (host.decode.samples > 0) learn(model.decodeFactor, normal / host.decode.value, MODEL_FLOOR, trust);
  learn(host.decode, normal / valueOr(model.decodeFactor, 1), HOST_FLOOR, trust);
  learn(fleet.typical.decode, normal / valueOr(model.decodeFactor, 1), MODEL_FLOOR, trust);
}
