// The fleets of the benchmark, by name.
import { HOST_KINDS } from "./calibration.ts";
import type { HostKindName, ModelKind } from "./calibration.ts";
import type { HostSpec } from "./host-spec.ts";

export const FLEETS = {
  hetero9: ["h100", "rtx4090", "rtx3090", "rtx3090", "a6000", "rtx4080", "rtx3060", "m2Ultra", "m1Max"],
  homogeneous8: ["rtx3090", "rtx3090", "rtx3090", "rtx3090", "rtx3090", "rtx3090", "rtx3090", "rtx3090"],
  weak6: ["rtx3080", "rtx3070", "rtx3060", "m3Max", "m1Max", "cpu"],
  single: ["rtx3090"],
  pair: ["rtx3090", "rtx3090"],
  four: ["rtx3090", "rtx3090", "rtx3090", "rtx3090"],
} as const satisfies Record<string, readonly HostKindName[]>;
export type FleetName = keyof typeof FLEETS;

/** Builds the hosts of a fleet, all with the same models, OLLAMA_NUM_PARALLEL and OLLAMA_CONTEXT_LENGTH. */
export function buildFleet(
  name: FleetName,
  parallel: number,
  models: readonly ModelKind[],
  contextLength?: number,
): HostSpec[] {
  return FLEETS[name].map((kind, index) => {
    return { id: `${kind.toLowerCase()}-${index}`, kind: HOST_KINDS[kind], parallel, models, contextLength };
  });
}
