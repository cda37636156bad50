// least_connections: the host that runs the fewest requests.
import { scoreConnections } from "./connections.ts";
import { chooseLowest } from "./lowest.ts";
import type { Policy } from "./policy.ts";

export const leastConnections: Policy = {
  name: "least_connections",
  choose: (candidates, { random }) => chooseLowest(candidates.map(scoreConnections), random),
};
