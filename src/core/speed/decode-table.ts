// How fast one of b requests that generate together goes, for each b: learned where seen, else by the shape of the seen ones.
import type { Estimate } from "./estimate.ts";
import { learn, newEstimate } from "./estimate.ts";

/** Total speed with 1, 2, … slots against one: RTX 3090, 8B Q4_0, llama.cpp PR #15802. */
const CURVE = [1, 1.79, 2.52, 3.03, 3.32, 3.41, 3.61, 3.68];
const DECODE_FLOOR = 0.1;
const GAIN_FLOOR = 0.1;
/** Memory-bound hosts gain next to nothing from batches, none gains more than this over the measured curve. */
const GAIN_MAX = 1.4;
/** Beyond so many at once nothing is told apart. */
const LARGEST_BATCH = 32;

export interface DecodeTable {
  /** Index b − 1: tokens per ms of each of b. */
  readonly seen: Estimate[];
}

/** What a host's batches gain in proportion to the measured curve: 1 the same, 0 nothing. Shared by all its models. */
export interface BatchGain {
  value: number;
  samples: number;
}

/** Makes a table without entries. */
export function newDecodeTable(): DecodeTable {
  return { seen: [] };
}

export interface DecodeSample {
  /** Requests that generated together. */
  readonly batch: number;
  /** What each of them reached, tokens per ms at depth 0. */
  readonly rate: number;
  /** 0 to 1: less where others' prompts were read meanwhile. */
  readonly trust: number;
}

/** Takes what one of a batch of requests reached. */
export function learnDecode(table: DecodeTable, gain: BatchGain, { batch, rate, trust }: DecodeSample): void {
  const size = Math.min(LARGEST_BATCH, Math.max(1, Math.round(batch)));
  while (table.seen.length < size) table.seen.push(newEstimate());
  const entry = table.seen[size - 1];
  if (entry === undefined) return;
  learn(entry, rate, DECODE_FLOOR, trust);
  const alone = table.seen[0];
  if (size === 1 || alone === undefined || alone.samples === 0) return;
  const reached = (rate * size) / alone.value;
  const fresh = Math.min(GAIN_MAX, Math.max(0, (reached - 1) / (curveAt(size) - 1)));
  gain.samples += 1;
  gain.value += trust * Math.max(GAIN_FLOOR, 1 / gain.samples) * (fresh - gain.value);
}

/** Answers the speed of one request alone, tokens per ms, as far as the table knows it; undefined for an empty one. */
export function aloneSpeed({ seen }: DecodeTable, gain: BatchGain): number | undefined {
  for (const [index, { value, samples }] of seen.entries()) {
    if (samples > 0) return (value * (index + 1)) / totalAt(index + 1, gain);
  }
  return undefined;
}

/** Lists, for batches of 1, 2, …, the tokens per ms of each request; never rising. */
export function decodeSpeeds(table: DecodeTable, gain: BatchGain, alone: number): number[] {
  const speeds: number[] = [];
  let last = Infinity;
  for (let batch = 1; batch <= CURVE.length || batch <= table.seen.length; batch += 1) {
    const entry = table.seen[batch - 1];
    const modelled = (alone * totalAt(batch, gain)) / batch;
    last = Math.min(last, entry === undefined || entry.samples === 0 ? modelled : entry.value);
    speeds.push(last);
  }
  return speeds;
}

/** Answers the speed in a batch; beyond the list the total no longer grows. */
export function speedInBatch(speeds: readonly number[], batch: number): number {
  const { length } = speeds;
  if (batch <= length) return speeds[Math.max(1, batch) - 1] ?? 1;
  return ((speeds[length - 1] ?? 1) * length) / batch;
}

function totalAt(batch: number, { value }: BatchGain): number {
  return 1 + value * (curveAt(batch) - 1);
}

function curveAt(batch: number): number {
  return CURVE[Math.min(batch, CURVE.length) - 1] ?? 1;
}
