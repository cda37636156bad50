// Loads belong to the agent: one at a time per model and runner options, shared by all who wait, and ended by none who leaves.
import { Agent } from "node:http";
import type { Loading } from "../../wire/heartbeat.ts";
import { readRunnerOptions, toRequest } from "../../wire/runner-options.ts";
import { call, faultOf, parseJson } from "../call.ts";
import type { CurrentLimits } from "../current-limits.ts";
import type { Log } from "../log.ts";
import type { OllamaClient } from "./ollama-client.ts";
import { ollamaUrl } from "./ollama-client.ts";
import type { Residency } from "../heartbeat/residency.ts";
import { unlessAborted } from "../when-aborted.ts";

/** Quicker than this is no load: the model was there. Also when heartbeats begin to tell of one. */
const NOTICED_MS = 250;
const ERROR_MAX_CHARS = 2_000;
/** Long enough for the requests that have waited to come. */
const HOLD = "30s";
/** A pooled connection may be closed under a request; a load is worth a connection of its own. */
const unpooled = new Agent();

/** What a request needs in memory before it is worth sending. */
export interface LoadWish {
  /** Canonical key. */
  readonly model: string;
  /** Runner options as wire/runner-options writes them. */
  readonly runner: string;
  /** The endpoint that loads: a model for embeddings refuses to generate. */
  readonly by: "generate" | "embed";
}

export type LoadOutcome =
  /** It is in memory; how long that took, 0 when it was there. */
  | { readonly type: "loaded"; readonly tookMs: number }
  /** Not a matter of loading: Ollama will say to the request itself what is wrong with it. */
  | { readonly type: "not-loadable" }
  /** Ollama tried, or was too busy to: its own status and text. */
  | { readonly type: "failed"; readonly status: number; readonly error: string };

export interface LoadsDeps {
  readonly ollama: OllamaClient;
  readonly residency: Residency;
  readonly limits: CurrentLimits;
  /** Ollama's own name of a model on disk that runs here; undefined for others. */
  readonly nameOf: (model: string) => string | undefined;
  /** Whether a model on disk does nothing but embed. */
  readonly embedsOnly: (model: string) => boolean;
  readonly log: Log;
  /** A load has begun or ended that the cell should know of. */
  readonly onChanged: () => void;
}

interface Flight extends LoadWish {
  readonly startedAt: number;
  readonly abort: AbortController;
  readonly outcome: Promise<LoadOutcome>;
  waiting: number;
  /** Wanted by the cell itself: not given up because no request waits. */
  ordered: boolean;
  abandoning?: NodeJS.Timeout;
}

export class Loads {
  readonly #deps: LoadsDeps;
  readonly #flights = new Map<string, Flight>();
  readonly #lastTookMs = new Map<string, number>();
  /** Whether models have to be held after their load. */
  #holds = false;

  constructor(deps: LoadsDeps) {
    this.#deps = deps;
  }

  /** Waits until the model is in memory, loading it where needed. Who stops waiting (the signal) ends no load. */
  async ensure(wish: LoadWish, signal: AbortSignal): Promise<LoadOutcome> {
    if (this.#deps.nameOf(wish.model) === undefined) return { type: "not-loadable" };
    if (await this.#deps.residency.holds(wish.model, wish.runner)) return { type: "loaded", tookMs: 0 };
    signal.throwIfAborted();
    const flight = this.#flights.get(keyOf(wish)) ?? this.#start(wish);
    flight.waiting += 1;
    clearTimeout(flight.abandoning);
    const since = performance.now();
    try {
      const outcome = await unlessAborted(flight.outcome, signal);
      return outcome.type === "loaded" ? { type: "loaded", tookMs: performance.now() - since } : outcome;
    } finally {
      flight.waiting -= 1;
      this.#considerAbandoning(flight);
    }
  }

  /** Loads on the cell's word; rejects when Ollama cannot be reached. */
  async order(model: string, runner = ""): Promise<LoadOutcome> {
    if (this.#deps.nameOf(model) === undefined || readRunnerOptions(runner) === undefined)
      return { type: "not-loadable" };
    const wish: LoadWish = { model, runner, by: this.byOf(model) };
    const flight = this.#flights.get(keyOf(wish)) ?? this.#start(wish);
    flight.ordered = true;
    clearTimeout(flight.abandoning);
    return await flight.outcome;
  }

  /** The endpoint that loads a model which no request has asked for. */
  byOf(model: string): LoadWish["by"] {
    return this.#deps.embedsOnly(model) ? "embed" : "generate";
  }

  /** What a request waits for, in words; undefined when it waits for no load. */
  statusOf(wish: LoadWish): string | undefined {
    const flight = this.#flights.get(keyOf(wish));
    if (flight === undefined) return undefined;
    const elapsedMs = performance.now() - flight.startedAt;
    const expectedMs = this.#lastTookMs.get(flight.model);
    const name = this.#deps.nameOf(flight.model) ?? flight.model;
    if (expectedMs === undefined) return `loading ${name} for ${seconds(elapsedMs)} s`.slice(0, 200);
    // The last percent is Ollama's to say.
    const percent = Math.min(99, Math.floor((100 * elapsedMs) / expectedMs));
    const leftMs = Math.max(0, expectedMs - elapsedMs);
    return `loading ${name}, ${percent} %, about ${seconds(leftMs)} s left`.slice(0, 200);
  }

  /** The loads that run, for heartbeats. */
  running(): Loading[] {
    return [...this.#flights.values()].map(({ model, runner, startedAt, waiting }) => {
      const expectedMs = this.#lastTookMs.get(model);
      const told = { model, runner, elapsedMs: Math.round(performance.now() - startedAt), waiting };
      return expectedMs === undefined ? told : { ...told, expectedMs: Math.round(expectedMs) };
    });
  }

  stop(): void {
    for (const flight of this.#flights.values()) {
      clearTimeout(flight.abandoning);
      flight.abort.abort();
    }
  }

  #start(wish: LoadWish): Flight {
    const abort = new AbortController();
    const startedAt = performance.now();
    this.#deps.residency.noteLoading(wish.model);
    const outcome = this.#load(wish, abort.signal).finally(() => {
      this.#flights.delete(keyOf(wish));
      clearTimeout(flight.abandoning);
    });
    // Those who wait hear of it; when nobody does, the log has it.
    outcome.catch(() => undefined);
    const flight: Flight = { ...wish, startedAt, abort, outcome, waiting: 0, ordered: false };
    this.#flights.set(keyOf(wish), flight);
    return flight;
  }

  async #load(wish: LoadWish, signal: AbortSignal): Promise<LoadOutcome> {
    const { log, onChanged, residency } = this.#deps;
    const { model, runner } = wish;
    const startedAt = performance.now();
    const noticed = setTimeout(onChanged, NOTICED_MS);
    try {
      const answer = await this.#askUntilHeld(wish, signal);
      const tookMs = performance.now() - startedAt;
      if (answer.status !== 200) log({ event: "load-failed", model, runner, status: answer.status });
      if (answer.status >= 500)
        return { type: "failed", status: answer.status, error: errorOf(answer.text).slice(0, ERROR_MAX_CHARS) };
      if (answer.status !== 200) return { type: "not-loadable" };
      residency.noteLoaded(model, runner);
      if (tookMs > NOTICED_MS) this.#lastTookMs.set(model, tookMs);
      return { type: "loaded", tookMs };
    } catch (cause) {
      log({ event: signal.aborted ? "load-abandoned" : "load-failed", model, runner, reason: faultOf(cause) });
      throw cause;
    } finally {
      clearTimeout(noticed);
      residency.forget();
      if (performance.now() - startedAt > NOTICED_MS) onChanged();
    }
  }

  /** Under OLLAMA_KEEP_ALIVE=0 a model is unloaded as soon as it is loaded: it then has to be held for its requests. */
  async #askUntilHeld(wish: LoadWish, signal: AbortSignal) {
    const startedAt = performance.now();
    const answer = await this.#ask(wish, signal);
    if (this.#holds || answer.status !== 200 || performance.now() - startedAt < NOTICED_MS) return answer;
    if (await this.#deps.residency.lists(wish.model)) return answer;
    this.#holds = true;
    return await this.#ask(wish, signal);
  }

  /** A request without a prompt, or without input, loads (ollama docs/api.md; server/routes.go, EmbedHandler). */
  async #ask({ model, runner, by }: LoadWish, signal: AbortSignal) {
    const body = {
      model: this.#deps.nameOf(model),
      ...(by === "embed" ? { input: [] } : {}),
      ...(this.#holds ? { keep_alive: HOLD } : {}),
      ...toRequest(runner),
    };
    return await call(ollamaUrl(this.#deps.ollama, `/api/${by}`), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: Buffer.from(JSON.stringify(body)),
      timeoutMs: 0,
      signal,
      agent: unpooled,
    });
  }

  #considerAbandoning(flight: Flight): void {
    const { abandonLoadsAfterMs } = this.#deps.limits.get();
    if (flight.waiting > 0 || flight.ordered || abandonLoadsAfterMs === undefined) return;
    clearTimeout(flight.abandoning);
    flight.abandoning = setTimeout(() => flight.abort.abort(), abandonLoadsAfterMs);
  }
}

function keyOf({ model, runner }: LoadWish): string {
  return `${model} ${runner}`;
}

function errorOf(text: string): string {
  const parsed = parseJson(text);
  const error = typeof parsed === "object" && parsed !== null && "error" in parsed ? parsed.error : undefined;
  return typeof error === "string" ? error : "the model could not be loaded";
}

function seconds(ms: number): string {
  return String(Math.round(ms / 1_000));
}
