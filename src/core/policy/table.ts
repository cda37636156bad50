// The policies by the names the configuration gives them.
import type { PolicyName } from "../../wire/settings.ts";
import { leastConnections } from "./least-connections.ts";
import type { Policy } from "./policy.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { predictedLatency } from "./predicted-latency.ts";
import { randomChoice } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  predicted_latency: predictedLatency,
  round_robin: roundRobin,
  random: randomChoice,
  least_connections: leastConnections,
  power_of_two: powerOfTwo,
};

/** Answers the policy by which hosts for a model are chosen. */
export function policyFor(
  { settings }: { readonly settings: { readonly policy: PolicyName } },
  _model: string | undefined,
): Policy {
  return POLICIES[settings.policy];
}
