// Targets that are measured and not yet met: printed as open, and no reason to fail. The measurement of three seeds is beside each.

export const OPEN_TARGETS: ReadonlySet<string> = new Set([
  // 1.11 for 1.10 and 1.25 for 1.15; over nine seeds 1.08 and 1.16. There, told the true speeds: 1.03 and 1.04; the true
  // lengths of answers: 1.11 and 1.19; given the clairvoyant's copies of models: 1.08 and 1.14; all of these: 1.03 and 1.03.
  "C clairvoyant ttft mean",
  "C clairvoyant ttft p99",
]);
