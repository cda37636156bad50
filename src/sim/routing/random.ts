// Chance that repeats itself: one seed, one sequence, on every machine.

/** Uniform in [0, 1). */
export type Random = () => number;

/** Makes a generator from a seed (mulberry32: 32 bits of state, enough for workloads, not for secrets). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Derives a generator for one purpose, so that drawing more for one never changes what another draws. */
export function forkRandom(seed: number, purpose: string): Random {
  let hash = 0x811c9dc5;
  for (const character of `${seed}:${purpose}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return seededRandom(hash);
}

/** Draws from an exponential distribution. */
export function drawExponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}

/** Draws from a normal distribution (Box-Muller). */
export function drawNormal(random: Random, mean: number, deviation: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return mean + deviation * radius * Math.cos(2 * Math.PI * random());
}

/** Draws from a log-normal distribution with a given mean and coefficient of variation. */
export function drawLogNormal(random: Random, mean: number, variation: number): number {
  const variance = Math.log(1 + variation ** 2);
  return Math.exp(drawNormal(random, Math.log(mean) - variance / 2, Math.sqrt(variance)));
}

/** Draws an index with the probabilities of Zipf's law. */
export function drawZipf(random: Random, count: number, exponent: number): number {
  const weights = Array.from({ length: count }, (_, index) => (index + 1) ** -exponent);
  let rest = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return index;
  }
  return count - 1;
}
