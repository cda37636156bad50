// What every trial is given, and what it answers: rows to print, and checks of what was asked for.
import type { Check } from "../targets.ts";
import type { MakeRouter } from "../router.ts";
import type { Traces } from "../trace-files.ts";

export interface TrialSetting {
  readonly traces: Traces;
  readonly seeds: readonly number[];
  readonly router: MakeRouter;
}

export interface Trial {
  readonly title: string;
  /** Heads first. */
  readonly rows: readonly (readonly string[])[];
  readonly checks: readonly Check[];
}

/** Prints ms as seconds. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
