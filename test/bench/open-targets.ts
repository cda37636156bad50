// Targets that are measured and not yet met: printed as open, and no reason to fail. The measurement of three seeds is beside each.

export const OPEN_TARGETS: ReadonlySet<string> = new Set([
  // 1.01 × Dynamo, which is told by events what each host has cached; Ollama has no such events. The second just met.
  "B ahead ttft p95",
  "B ahead done p95",
  // 3.9 % for 4 %, against the same.
  "B margin ttft mean",
  // 1.14 for 1.10 and 1.29 for 1.15: bursts of code meet hosts of which only one model's speed is known.
  "C clairvoyant ttft mean",
  "C clairvoyant ttft p99",
  // 1.14 and 1.10 for 1.10, the second just met: one in fifteen expected hits has been forgotten by its host.
  "E clairvoyant ttft mean",
  "E clairvoyant done mean",
  // 1.16 for 1.15; the clairvoyant has 1.15.
  "light load B",
]);
