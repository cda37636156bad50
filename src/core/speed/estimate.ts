// One learned number: takes the first sample for granted, follows the later ones, and hurries when all point one way.

export interface Estimate {
  /** Meaningless until there is a sample. */
  value: number;
  samples: number;
  /** Of all samples together: as much as so many clean ones. */
  trust: number;
  /** Successive samples far above (positive) or far below (negative) what was expected. */
  streak: number;
}

/** A single odd sample moves an estimate no further than if it were four times off. */
const CLIP = 4;
/** So far off is a surprise; three in a row are a change, not noise. */
const SURPRISE = 1.4;
const SURPRISES_FOR_CHANGE = 3;
const CHANGED_WEIGHT = 0.5;

/** Makes an estimate that knows nothing yet. */
export function newEstimate(): Estimate {
  return { value: 1, samples: 0, trust: 0, streak: 0 };
}

/**
 * Takes a positive sample. Each weighs as its trust (0 to 1) among that of all, down to a floor, so that old samples are
 * forgotten and a clean one soon outweighs a doubtful first; the mean is geometric, so that a rate and its reciprocal are
 * learned alike.
 */
export function learn(estimate: Estimate, sample: number, floor: number, trust = 1): void {
  if (!(sample > 0) || !Number.isFinite(sample) || trust <= 0) return;
  estimate.samples += 1;
  estimate.trust += trust;
  if (estimate.samples === 1) {
    estimate.value = sample;
    return;
  }
  const ratio = sample / estimate.value;
  if (ratio > SURPRISE) estimate.streak = Math.max(1, estimate.streak + 1);
  else if (ratio < 1 / SURPRISE) estimate.streak = Math.min(-1, estimate.streak - 1);
  else estimate.streak = 0;
  const changed = Math.abs(estimate.streak) >= SURPRISES_FOR_CHANGE;
  const weight = trust * Math.max(changed ? CHANGED_WEIGHT : floor, 1 / estimate.trust);
  estimate.value *= Math.min(CLIP, Math.max(1 / CLIP, ratio)) ** weight;
}

/** Answers the learned value, or what to believe without a sample. */
export function valueOr(estimate: Estimate, prior: number): number {
  return estimate.samples === 0 ? prior : estimate.value;
}
