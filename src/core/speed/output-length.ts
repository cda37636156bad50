// How long answers are: means of the request's own kind, leaning on those of all requests of the model while few are known.
import type { LeaseRequest } from "../../wire/lease.ts";

interface Mean {
  value: number;
  samples: number;
}

export interface OutputLengths {
  readonly all: Mean;
  /** By shape, least recently learned first. */
  readonly byShape: Map<string, Mean>;
}

const FLOOR = 0.05;
/** Before anything is known: a paragraph or two. */
const PRIOR_TOKENS = 200;
/** A shape's own mean counts as much as its model's once it has so many samples. */
const SHRINK_SAMPLES = 6;
const MOST_SHAPES = 512;

/** Makes lengths that know nothing yet. */
export function newOutputLengths(): OutputLengths {
  return { all: { value: PRIOR_TOKENS, samples: 0 }, byShape: new Map() };
}

/** Names what requests with like answers have in common: tenant, kind, tools, a limit, and the prompt's size by factors of 4. */
export function shapeOf(request: LeaseRequest): string {
  const { principal, kind, streaming, needs, numPredict, promptBytes } = request;
  const size = Math.round(Math.log2(Math.max(1, promptBytes)) / 2);
  const tools = needs.includes("tools") ? "t" : "";
  return `${principal.tenant} ${kind}${streaming ? "s" : ""}${tools} ${numPredict === undefined ? "" : "n"}${size}`;
}

/** Takes the length of an answer, tokens. */
export function learnLength(lengths: OutputLengths, shape: string, tokens: number): void {
  update(lengths.all, tokens);
  const known = lengths.byShape.get(shape) ?? { value: lengths.all.value, samples: 0 };
  update(known, tokens);
  lengths.byShape.delete(shape);
  lengths.byShape.set(shape, known);
  if (lengths.byShape.size <= MOST_SHAPES) return;
  const oldest = lengths.byShape.keys().next();
  if (!oldest.done) lengths.byShape.delete(oldest.value);
}

/** Expects an answer of so many tokens; never more than the request allows. */
export function expectLength(lengths: OutputLengths, shape: string, numPredict: number | undefined): number {
  const own = lengths.byShape.get(shape);
  const samples = own?.samples ?? 0;
  const mean = (samples * (own?.value ?? 0) + SHRINK_SAMPLES * lengths.all.value) / (samples + SHRINK_SAMPLES);
  const expected = Math.max(1, mean);
  return numPredict !== undefined && numPredict > 0 ? Math.min(expected, numPredict) : expected;
}

function update(mean: Mean, sample: number): void {
  mean.samples += 1;
  mean.value += Math.max(FLOOR, 1 / mean.samples) * (sample - mean.value);
}
