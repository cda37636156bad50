// What a request costs a host alone: seconds of its device, from calibration.
import { decodeRate, decodeWork, prefillRate, prefillWork } from "./calibration.ts";
import type { HostKind, ModelKind } from "./calibration.ts";

export interface Work {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Counts the seconds a device needs to read what is not cached and to write the answer, one stream at a time. */
export function gpuSeconds(host: HostKind, model: ModelKind, work: Work): number {
  const { promptTokens, cachedTokens, outputTokens } = work;
  const read = prefillWork(promptTokens - cachedTokens, cachedTokens) / prefillRate(host, model);
  return read + decodeWork(outputTokens, promptTokens) / decodeRate(host, model);
}
