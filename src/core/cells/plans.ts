// The plans of several cells for one piece of work on a model, as one plan.
import type { WorkAnswer } from "../../wire/model-work.ts";
import { mostTelling } from "./route.ts";

/** All that any cell can do; where none can, the refusal that says most. */
export function joinPlans(plans: readonly WorkAnswer[]): WorkAnswer {
  const possible = plans.flatMap((plan) => (plan.ok ? [plan.value] : []));
  if (possible.length === 0) {
    const refusal = mostTelling(plans.flatMap((plan) => (plan.ok ? [] : [plan.error])));
    return { ok: false, error: refusal ?? { code: "no_host", detail: "no host is online" } };
  }
  return {
    ok: true,
    value: {
      targets: possible.flatMap(({ targets }) => targets),
      offline: possible.flatMap(({ offline }) => offline),
      holders: possible.reduce((sum, { holders }) => sum + holders, 0),
    },
  };
}
