// What a caller's token makes of a request: its priority, the length of its answer, and what may not leave the host.
import type { Principal, Priority } from "../../wire/lease.ts";
import type { Caller } from "../env.ts";
import type { Endpoint } from "../endpoints.ts";
import type { Inspected } from "../body/inspect.ts";
import type { RefusalText } from "../refuse.ts";

/** Ollama's own words where its cloud is off. */
export const CLOUD_OFF = "ollama cloud is disabled: remote model is unavailable";
export const CLOUD_DETAILS_OFF = "ollama cloud is disabled: remote model details are unavailable";

const PRIORITIES: readonly string[] = ["low", "normal", "high"] satisfies Priority[];

/** A request may ask for less than its token's priority, never for more. */
export function principalOf({ principal }: Caller, askedPriority: string | undefined): Principal {
  const asked = PRIORITIES.indexOf(askedPriority ?? "");
  if (asked < 0 || asked >= PRIORITIES.indexOf(principal.priority)) return principal;
  return { ...principal, priority: PRIORITIES[asked] as Priority };
}

/** Tokens of the answer as the host will be asked for them. To Ollama 0 and less mean "without end". */
export function cappedBy(cap: number | undefined, numPredict: number | undefined): number | undefined {
  if (cap === undefined) return numPredict;
  return numPredict === undefined || numPredict < 1 ? cap : Math.min(cap, numPredict);
}

/** Why a request may not be served that would leave the host, or show what the host hides. */
export function whyKept({ kind }: Endpoint, { egress, model }: Inspected, mayLeave: boolean): RefusalText | undefined {
  if (egress === "render") return { code: "forbidden", message: "hive: _debug_render_only is not allowed" };
  if (mayLeave) return undefined;
  if (model.source === "cloud")
    return { code: "cloud_forbidden", message: kind === "control" ? CLOUD_DETAILS_OFF : CLOUD_OFF };
  return egress === "web-tools" ? { code: "cloud_forbidden", message: WEB_TOOLS_OFF } : undefined;
}

const WEB_TOOLS_OFF = "hive: server-side web tools are off; they would leave the host (ALLOW_CLOUD_MODELS)";
