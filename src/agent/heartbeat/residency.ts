// Which models are in Ollama's memory, and with which runner options this agent has loaded them.
import type { RunningModel } from "../../wire/heartbeat.ts";
import { parseModelName } from "../../wire/model-name.ts";

/** So old may Ollama's list be: whatever this agent itself changes is known at once. */
const FRESH_MS = 1_000;
/** A model about to be unloaded is as good as gone: it would be loaded anew by a request, and belong to it. */
const EXPIRY_MARGIN_MS = 2_000;

export class Residency {
  readonly #readRunning: () => Promise<readonly RunningModel[] | undefined>;
  /** By model: what it was last loaded with. Ollama's list does not tell, and shows models that are still loading. */
  readonly #runnerOf = new Map<string, string>();
  #expiryOf: ReadonlyMap<string, number> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(readRunning: () => Promise<readonly RunningModel[] | undefined>) {
    this.#readRunning = readRunning;
  }

  /** True when a request needs no load; in doubt false, for loading what is loaded costs a moment only. */
  async holds(model: string, runner: string): Promise<boolean> {
    if (this.#runnerOf.get(model) !== runner) return false;
    if (performance.now() - this.#readAt > FRESH_MS) {
      this.#reading ??= this.#read();
      await this.#reading;
    }
    const expiresAt = this.#expiryOf.get(model);
    return expiresAt !== undefined && expiresAt > Date.now() + EXPIRY_MARGIN_MS;
  }

  /** True when Ollama lists the model at this very moment. */
  async lists(model: string): Promise<boolean> {
    await this.#read();
    return this.#expiryOf.has(model);
  }

  noteLoading(model: string): void {
    this.#runnerOf.delete(model);
    this.forget();
  }

  noteLoaded(model: string, runner: string): void {
    this.#runnerOf.set(model, runner);
    this.forget();
  }

  /** Something may have been unloaded: the list is read again before it is believed. */
  forget(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async #read(): Promise<void> {
    const startedAt = performance.now();
    const rows = (await this.#readRunning()) ?? [];
    this.#expiryOf = new Map(
      rows.flatMap((row) => {
        const name = parseModelName(row.name);
        return name.ok ? [[name.value.canonical, Date.parse(row.expiresAt)]] : [];
      }),
    );
    this.#readAt = startedAt;
    this.#reading = undefined;
  }
}
