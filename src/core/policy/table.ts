// The policies by the names the configuration gives them.
import type { PolicyName } from "../../wire/settings.ts";
import { leastConnections } from "./least-connections.ts";
import type { Policy } from "./policy.ts";
import { powerOfTwo } from "./power-of-two.ts";
import { randomChoice } from "./random.ts";
import { roundRobin } from "./round-robin.ts";

export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  round_robin: roundRobin,
  random: randomChoice,
  least_connections: leastConnections,
  power_of_two: powerOfTwo,
};
