// What a conformance case is: a number of the reference's list, a title, and a check against the one world of the suite.
import type { World } from "./world.ts";

export interface ConformanceCase {
  /** Its number among the 45 cases of the reference. */
  readonly number: number;
  readonly title: string;
  /** True where the case needs faults, several hosts or a look into them: a real Ollama gives none of these. */
  readonly simulated: boolean;
  readonly check: (world: World) => Promise<void>;
}

/** A case that any Ollama can be held to, simulated or real. */
export function anyHost(number: number, title: string, check: ConformanceCase["check"]): ConformanceCase {
  return { number, title, simulated: false, check };
}

/** A case that only simulated hosts can show. */
export function simulatedOnly(number: number, title: string, check: ConformanceCase["check"]): ConformanceCase {
  return { number, title, simulated: true, check };
}
