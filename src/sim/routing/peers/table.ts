// The peers' policies by name: re-implementations from published descriptions, none of them the peers' own code.
import type { MakeRouter } from "../router.ts";
import { hivecore } from "./hivecore.ts";
import { peakEwma, prequal } from "./latency.ts";
import { litellmLatency, litellmLeastBusy, litellmShuffle, litellmUsage } from "./litellm.ts";
import { ollaPriority, ollaSticky } from "./olla.ts";
import { ollamaHerd } from "./ollama-herd.ts";
import { cacheAware, dynamo, llmd, lmetric } from "./prefix.ts";
import { pushing } from "./push-router.ts";
import { leastConnections, powerOfTwo, random, roundRobin } from "./simple.ts";

export interface Peer {
  readonly make: MakeRouter;
  /** Whose policy it re-implements. */
  readonly of: string;
}

const SGLANG = { matchRate: 0.5, loadDifference: 32, loadRatio: 1.1 };

export const PEERS = {
  "peer:round_robin": { make: pushing(roundRobin), of: "any load balancer" },
  "peer:random": { make: pushing(random), of: "any load balancer" },
  "peer:least_connections": { make: pushing(leastConnections), of: "any load balancer; Olla, with rotating ties" },
  "peer:p2c": { make: pushing(powerOfTwo), of: "two choices" },
  "peer:olla_priority": { make: pushing(ollaPriority), of: "Olla, tiers by speed" },
  "peer:olla_sticky": { make: pushing(ollaSticky), of: "Olla, sticky sessions" },
  "peer:hivecore_pull": { make: hivecore, of: "HiveCore, connections = slots" },
  "peer:litellm_shuffle": { make: pushing(litellmShuffle), of: "LiteLLM, weights by speed" },
  "peer:litellm_latency": { make: pushing(litellmLatency), of: "LiteLLM" },
  "peer:litellm_usage": { make: pushing(litellmUsage), of: "LiteLLM" },
  "peer:litellm_least_busy": { make: pushing(litellmLeastBusy), of: "LiteLLM" },
  "peer:ollama_herd": { make: pushing(ollamaHerd), of: "ollama-herd, seven signals" },
  "peer:peak_ewma": { make: pushing(peakEwma), of: "Finagle, Linkerd, Envoy" },
  "peer:prequal": { make: pushing(prequal), of: "Prequal (NSDI'24), hot-cold rule" },
  "peer:sglang": { make: pushing(cacheAware(SGLANG)), of: "SGLang cache_aware, its defaults" },
  "peer:sglang_abs2": {
    make: pushing(cacheAware({ ...SGLANG, loadDifference: 2 })),
    of: "SGLang cache_aware, load difference 2",
  },
  "peer:lmetric": { make: pushing(lmetric), of: "LMetric (arXiv 2603.15202)" },
  "peer:dynamo": { make: pushing(dynamo), of: "NVIDIA Dynamo KV router" },
  "peer:llmd": { make: pushing(llmd), of: "llm-d, weighted scorers" },
} as const satisfies Record<string, Peer>;
export type PeerName = keyof typeof PEERS;
