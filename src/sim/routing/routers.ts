// Everything that can decide in a simulation, by name: our policies, the peers', the clairvoyant.
import { POLICY_NAMES } from "../../wire/settings.ts";
import { clairvoyant } from "./bounds/clairvoyant.ts";
import { hive } from "./hive-router.ts";
import { PEERS } from "./peers/table.ts";
import type { MakeRouter } from "./router.ts";

export const CLAIRVOYANT = "clairvoyant";

/** Our own by their configured names, peers as `peer:NAME`. */
export const ROUTERS: ReadonlyMap<string, MakeRouter> = new Map<string, MakeRouter>([
  ...POLICY_NAMES.map((name) => [name, hive(name)] as const),
  ...Object.entries(PEERS).map(([name, { make }]) => [name, make] as const),
  [CLAIRVOYANT, clairvoyant()],
]);

/** Names of those that are neither ours nor a bound. */
export const PEER_NAMES: readonly string[] = Object.keys(PEERS);
