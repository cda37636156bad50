// Tokens deep in a context cost more: work is counted in tokens as they would cost at depth 0.

/** RTX 3090, 8B: prefill falls from about 4 k tok/s to 1.6 k at 32 k tokens (llama.cpp PR #17505). */
const PREFILL_DEPTH_TOKENS = 16_384;
/** RTX 4090: decoding falls from about 150 tok/s to 100 at 32 k tokens (same source). */
const DECODE_DEPTH_TOKENS = 49_152;

/** Counts the work of reading tokens behind a cached prefix: n + ((c+n)² − c²)/2κ. */
export function prefillWork(tokens: number, cachedTokens: number): number {
  return tokens + (tokens * (2 * cachedTokens + tokens)) / (2 * PREFILL_DEPTH_TOKENS);
}

/** Solves for the tokens that were cached, given the prompt's and the work that reading the rest took. */
export function cachedTokensOf(tokens: number, work: number): number {
  const whole = prefillWork(tokens, 0);
  const cachedWork = Math.max(0, whole - work);
  return Math.min(tokens, PREFILL_DEPTH_TOKENS * (Math.sqrt(1 + (2 * cachedWork) / PREFILL_DEPTH_TOKENS) - 1));
}

/** Tells how much more a token costs that is written behind so many others. */
export function decodeDepthFactor(contextTokens: number): number {
  return 1 + contextTokens / DECODE_DEPTH_TOKENS;
}
