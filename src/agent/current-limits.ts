// How long this agent waits for what: the edge's variables, which come with the answers to heartbeats.
import type { Limits } from "../wire/heartbeat.ts";
import { LEG_KEEP_ALIVE_MS } from "../wire/leg.ts";

/** Until the edge has said: the defaults of its variables. */
const DEFAULTS: Limits = { keepAliveMs: LEG_KEEP_ALIVE_MS, stallMs: 60_000 };

export class CurrentLimits {
  readonly #fixed: Partial<Limits>;
  #told: Limits = DEFAULTS;

  /** What is fixed here holds against whatever the edge says. */
  constructor(fixed: Partial<Limits> = {}) {
    this.#fixed = fixed;
  }

  learn(limits: Limits | undefined): void {
    if (limits !== undefined) this.#told = limits;
  }

  get(): Limits {
    return { ...this.#told, ...this.#fixed };
  }
}
