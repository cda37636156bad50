// One loaded model: its slots, its prompt cache, and the pace at which it reads prompts and says tokens.
import type { Answer } from "./answer.ts";
import type { Gauges } from "../gauges.ts";
import type { SimulatedModel } from "./model.ts";
import { Canceled, Places, pause } from "./pause.ts";
import { PromptCache } from "./prompt-cache.ts";

/** What forces a reload when it differs (api.Runner, and the context shift). */
export type RunnerOptions = {
  readonly num_ctx?: number;
  readonly num_batch?: number;
  readonly num_gpu?: number;
  readonly main_gpu?: number;
  readonly use_mmap?: boolean;
  readonly num_thread?: number;
  readonly draft_num_predict?: number;
  readonly shift: boolean;
};

type Generation = {
  readonly prompt: string;
  readonly promptTokens: number;
  readonly answer: Answer;
  /** Takes the place of the model's own pace. */
  readonly decodeTokensPerSecond: number | undefined;
  readonly signal: AbortSignal;
  /** Called for each token; what it returns is waited for (a reader that is slow). */
  readonly onToken: (token: string, position: number) => Promise<void> | undefined;
};

/** Nanoseconds, as Ollama counts them. */
export type GenerationTimes = { readonly promptEvalNs: number; readonly evalNs: number };

// Without a pace there is nothing to wait for: let others have the thread every so often.
const TOKENS_PER_TURN = 256;

/** The runner's process has died, and everybody who waits for it with it. */
export class RunnerCrashed extends Error {
  override name = "RunnerCrashed";
}

export class Runner {
  readonly model: SimulatedModel;
  readonly options: RunnerOptions;
  readonly contextLength: number;
  keepAliveMs: number;
  /** Requests that hold this runner; it is unloaded only at zero. */
  holders = 0;
  /** Epoch ms; Infinity for ever. */
  expiresAt: number;
  expiry: NodeJS.Timeout | undefined;
  /** It has died: who holds it fails, and the next request loads the model anew. */
  dead = false;
  private readonly places: Places;
  private readonly cache: PromptCache;
  private readonly gauges: Gauges;

  constructor(given: {
    readonly model: SimulatedModel;
    readonly options: RunnerOptions;
    readonly contextLength: number;
    readonly keepAliveMs: number;
    readonly slots: number;
    readonly hostCacheTokens: number;
    readonly gauges: Gauges;
  }) {
    this.model = given.model;
    this.options = given.options;
    this.contextLength = given.contextLength;
    this.keepAliveMs = given.keepAliveMs;
    this.expiresAt = Date.now() + given.keepAliveMs;
    this.places = new Places(given.slots);
    this.cache = new PromptCache(given.slots, given.hostCacheTokens);
    this.gauges = given.gauges;
  }

  /** Runs work in one of the slots; waits in line, silently, while all are taken. */
  async withPlace<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.places.take(signal);
    if (turn !== undefined) {
      this.gauges.waiting++;
      try {
        await turn;
      } finally {
        this.gauges.waiting--;
      }
    }
    this.gauges.begin();
    try {
      if (this.dead) throw new RunnerCrashed();
      return await work();
    } finally {
      this.gauges.end();
      this.places.give();
    }
  }

  /** Reads the prompt and says the answer, at the model's pace. */
  async generate(generation: Generation): Promise<GenerationTimes> {
    return this.withPlace(generation.signal, async () => {
      const started = performance.now();
      const finish = await this.prefill(generation);
      const promptEvalNs = elapsedNs(started);
      const decodeStarted = performance.now();
      let said = 0;
      try {
        said = await this.decode(generation, decodeStarted);
      } catch (error) {
        if (error instanceof RunnerCrashed) this.dead = true;
        throw error;
      } finally {
        finish(said);
      }
      return { promptEvalNs, evalNs: elapsedNs(decodeStarted) };
    });
  }

  private async prefill(generation: Generation): Promise<(said: number) => void> {
    const rate = this.model.prefillTokensPerSecond;
    if (rate === Number.POSITIVE_INFINITY) return () => undefined;
    const prompt = Buffer.from(generation.prompt);
    const slot = this.cache.take(prompt);
    const uncached = Math.max(1, generation.promptTokens - slot.cachedTokens);
    try {
      await pause((uncached / rate) * 1000, generation.signal);
    } catch (error) {
      slot.release(undefined);
      throw error;
    }
    return (said) => {
      const tokens = Array.from({ length: said }, (_, position) => generation.answer.token(position));
      slot.release(Buffer.concat([prompt, Buffer.from(tokens.join(""))]));
    };
  }

  /** Says token after token, each at its own instant, so that delays do not add up. */
  private async decode(generation: Generation, startedMs: number): Promise<number> {
    const { answer, signal } = generation;
    const rate = generation.decodeTokensPerSecond ?? this.model.decodeTokensPerSecond;
    const total = answer.thinkingTokens + answer.contentTokens;
    for (let position = 0; position < total; position++) {
      const dueMs = startedMs + ((position + 1) / rate) * 1000;
      const wait = rate === Number.POSITIVE_INFINITY ? undefined : pause(dueMs - performance.now(), signal);
      if (wait !== undefined) await wait;
      else if (position % TOKENS_PER_TURN === TOKENS_PER_TURN - 1) await nextTurn(signal);
      if (this.dead) throw new RunnerCrashed();
      const heard = generation.onToken(answer.token(position), position);
      if (heard !== undefined) await heard;
      if (signal.aborted) throw new Canceled();
    }
    return total;
  }
}

async function nextTurn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  if (signal.aborted) throw new Canceled();
}

/** Nanoseconds since an instant of performance.now(), at least one: Ollama leaves zeros out. */
export function elapsedNs(sinceMs: number): number {
  return Math.max(1, Math.round((performance.now() - sinceMs) * 1e6));
}
