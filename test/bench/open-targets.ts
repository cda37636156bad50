// Targets that are measured and not yet met: printed as open, and no reason to fail. The measurement of three seeds is beside each.

export const OPEN_TARGETS: ReadonlySet<string> = new Set([
  // 1.14 for 1.10 and 1.29 for 1.15: bursts of code meet hosts of which only one model's speed is known.
  "C clairvoyant ttft mean",
  "C clairvoyant ttft p99",
  // 1.14 and 1.10 for 1.10, the second just met: one in fifteen expected hits has been forgotten by its host.
  "E clairvoyant ttft mean",
  "E clairvoyant done mean",
  // 1.146 for 1.15, the clairvoyant 1.14: just met.
  "light load B",
]);
