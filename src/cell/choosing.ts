// MODEL_POLICY and HOST_TIERS, as functions for the fleet; what a name means is worked out once.
import { matchesModelGlobs, matchesWildcard } from "../wire/model-name.ts";
import type { PolicyName, Settings } from "../wire/settings.ts";

const REMEMBERED_MAX = 1_000;

/** Answers the policy of a model (by its canonical key) that has one of its own. */
export function rememberPolicies({ MODEL_POLICY }: Settings): (model: string) => PolicyName | undefined {
  return remember((model) => MODEL_POLICY.find(({ glob }) => matchesModelGlobs(model, [glob]))?.value);
}

/** Answers the tier of a host. */
export function tiersOf({ HOST_TIERS }: Settings): (hostId: string) => number {
  return remember((hostId) => HOST_TIERS.find(({ glob }) => matchesWildcard(hostId, glob))?.value ?? 0);
}

function remember<Value>(work: (name: string) => Value): (name: string) => Value {
  const known = new Map<string, Value>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined || known.has(name)) return before as Value;
    const value = work(name);
    if (known.size >= REMEMBERED_MAX) known.clear();
    known.set(name, value);
    return value;
  };
}
