// The policies by the names the configuration gives them.
import type { PolicyName } from "../../wire/settings.ts";
import { leastConnections } from "./least-connections.ts";
import type { Policy } from "./policy.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { predictedLatency } from "./predicted-latency.ts";
import { priority } from "./priority.ts";
import { randomChoice } from "./random.ts";
import { roundRobin } from "./round-robin.ts";
import { sticky } from "./sticky.ts";

export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  predicted_latency: predictedLatency,
  round_robin: roundRobin,
  random: randomChoice,
  least_connections: leastConnections,
  power_of_two: powerOfTwo,
  priority,
  sticky,
};

interface Chosen {
  readonly policy: PolicyName;
  readonly policyOf: (model: string) => PolicyName | undefined;
}

/** Answers the policy by which hosts for a model are chosen: its own, or the fleet's. */
export function policyFor({ settings }: { readonly settings: Chosen }, model: string | undefined): Policy {
  return POLICIES[(model === undefined ? undefined : settings.policyOf(model)) ?? settings.policy];
}
