// Which models are loaded: one load at a time, evictions, keep-alive, and reloads when runner options change.
import type { Gauges } from "../gauges.ts";
import type { SimulatedModel } from "./model.ts";
import type { RunnerOptions } from "./runner.ts";
import { Canceled, pause } from "./pause.ts";
import { Runner } from "./runner.ts";

type SchedulerOptions = {
  readonly slots: number;
  readonly maxLoadedModels: number;
  /** OLLAMA_MAX_QUEUE: requests that may wait for a load. */
  readonly maxQueue: number;
  readonly defaultContextLength: number;
  /** OLLAMA_KEEP_ALIVE. */
  readonly keepAliveMs: number;
  readonly hostCacheTokens: number;
  /** How long after an unload the memory is free again. */
  readonly unloadMs: number;
};

type RunnerRequest = {
  readonly model: SimulatedModel;
  readonly options: RunnerOptions;
  readonly keepAliveMs: number | undefined;
  readonly signal: AbortSignal;
  /** Ollama's text when this load is to fail. */
  readonly loadFailure: string | undefined;
};

/** 503: more requests wait for loads than Ollama takes. */
export class QueueFull extends Error {
  override name = "QueueFull";
  override message = "server busy, please try again.  maximum pending requests exceeded";
}

/** 500: the model could not be loaded. */
export class LoadFailed extends Error {
  override name = "LoadFailed";
}

type Pending = { readonly request: RunnerRequest; readonly settle: PromiseWithResolvers<Runner> };

// Ollama's own default.
const DEFAULT_BATCH = 512;

// setTimeout takes no more than 2^31-1 ms.
const LONGEST_TIMER_MS = 2_147_483_647;

export class Scheduler {
  private readonly runners = new Map<string, Runner>();
  private readonly pending: Pending[] = [];
  private readonly idleWatchers = new Set<() => void>();
  private working = false;
  private readonly options: SchedulerOptions;
  private readonly gauges: Gauges;

  constructor(options: SchedulerOptions, gauges: Gauges) {
    this.options = options;
    this.gauges = gauges;
  }

  /** Loaded runners, the longest-lived first. */
  loaded(): Runner[] {
    return [...this.runners.values()].toSorted((a, b) => b.expiresAt - a.expiresAt);
  }

  /** Holds a runner for the model, loading it first where needed; release must be called exactly once. */
  async hold(request: RunnerRequest): Promise<{ readonly runner: Runner; readonly release: () => void }> {
    if (request.signal.aborted) throw new Canceled();
    const loaded = this.runners.get(request.model.digest);
    const runner =
      loaded !== undefined && request.loadFailure === undefined && !needsReload(loaded, request.options)
        ? this.use(loaded, request)
        : await this.enqueue(request);
    return { runner, release: () => this.release(runner) };
  }

  /** Unloads as soon as nobody holds it: `keep_alive: 0` without a prompt. */
  expire(model: SimulatedModel): void {
    const runner = this.runners.get(model.digest);
    if (runner === undefined) return;
    runner.keepAliveMs = 0;
    if (runner.holders === 0) this.unload(runner);
  }

  /** Unloads everything at once; held runners keep running for those who hold them. */
  close(): void {
    for (const runner of this.runners.values()) clearTimeout(runner.expiry);
    this.runners.clear();
  }

  private use(runner: Runner, request: RunnerRequest): Runner {
    runner.holders++;
    clearTimeout(runner.expiry);
    if (request.keepAliveMs !== undefined) runner.keepAliveMs = request.keepAliveMs;
    runner.expiresAt = Date.now() + runner.keepAliveMs;
    return runner;
  }

  private release(runner: Runner): void {
    runner.holders--;
    if (runner.holders > 0) return;
    if (this.runners.get(runner.model.digest) === runner) this.startExpiry(runner);
    for (const watcher of this.idleWatchers) watcher();
  }

  private startExpiry(runner: Runner): void {
    runner.expiresAt = Date.now() + runner.keepAliveMs;
    if (runner.keepAliveMs <= 0) return this.unload(runner);
    if (runner.keepAliveMs > LONGEST_TIMER_MS) return;
    runner.expiry = setTimeout(() => this.unload(runner), runner.keepAliveMs);
    runner.expiry.unref();
  }

  private unload(runner: Runner): void {
    clearTimeout(runner.expiry);
    if (this.runners.get(runner.model.digest) !== runner) return;
    this.runners.delete(runner.model.digest);
    this.gauges.unloads++;
  }

  private async enqueue(request: RunnerRequest): Promise<Runner> {
    if (this.pending.length >= this.options.maxQueue) throw new QueueFull();
    const entry: Pending = { request, settle: Promise.withResolvers<Runner>() };
    const onAbort = (): void => entry.settle.reject(new Canceled());
    request.signal.addEventListener("abort", onAbort, { once: true });
    this.pending.push(entry);
    this.gauges.waiting++;
    void this.work();
    try {
      return await entry.settle.promise;
    } finally {
      this.gauges.waiting--;
      request.signal.removeEventListener("abort", onAbort);
    }
  }

  /** Ollama's processPending: one request at a time, and the next one only when its runner is there. */
  private async work(): Promise<void> {
    if (this.working) return;
    this.working = true;
    for (let entry = this.pending.shift(); entry !== undefined; entry = this.pending.shift()) {
      if (entry.request.signal.aborted) continue;
      try {
        const runner = await this.runnerFor(entry.request);
        if (!entry.request.signal.aborted) entry.settle.resolve(this.use(runner, entry.request));
        else if (runner.holders === 0) this.startExpiry(runner);
      } catch (error) {
        entry.settle.reject(error);
      }
    }
    this.working = false;
  }

  private async runnerFor(request: RunnerRequest): Promise<Runner> {
    const { model, signal } = request;
    const loaded = this.runners.get(model.digest);
    if (loaded !== undefined) {
      if (request.loadFailure === undefined && !needsReload(loaded, request.options)) return loaded;
      await this.evict(loaded, signal);
    }
    while (this.runners.size >= this.options.maxLoadedModels) await this.evict(await this.victim(signal), signal);
    return this.load(request);
  }

  private async load(request: RunnerRequest): Promise<Runner> {
    const { model, options } = request;
    this.gauges.loads++;
    try {
      // The load belongs to the request: a client that leaves takes it along (llm/llama_server.go, WaitUntilRunning).
      await pause(model.loadMs, request.signal);
    } catch (error) {
      this.gauges.abortedLoads++;
      throw error;
    }
    if (request.loadFailure !== undefined) throw new LoadFailed(request.loadFailure);
    const wanted = Math.max(4, options.num_ctx ?? this.options.defaultContextLength);
    const runner = new Runner({
      model,
      options,
      contextLength: Math.min(wanted, model.contextLength),
      keepAliveMs: request.keepAliveMs ?? this.options.keepAliveMs,
      slots: model.capabilities.includes("completion") ? this.options.slots : 1,
      hostCacheTokens: this.options.hostCacheTokens,
      gauges: this.gauges,
    });
    this.runners.set(model.digest, runner);
    return runner;
  }

  /** Ollama's findRunnerToUnload: shortest keep-alive first, then by name; the first idle one, else wait for one. */
  private async victim(signal: AbortSignal): Promise<Runner> {
    for (;;) {
      const order = [...this.runners.values()].toSorted(
        (a, b) => a.keepAliveMs - b.keepAliveMs || a.model.name.localeCompare(b.model.name),
      );
      const idle = order.find((runner) => runner.holders === 0) ?? order[0];
      if (idle === undefined) throw new Error("nothing is loaded, so nothing can be evicted");
      if (idle.holders === 0) return idle;
      await this.someoneIdle(signal);
    }
  }

  private async evict(runner: Runner, signal: AbortSignal): Promise<void> {
    while (runner.holders > 0) await this.someoneIdle(signal);
    this.unload(runner);
    await pause(this.options.unloadMs, signal);
  }

  private async someoneIdle(signal: AbortSignal): Promise<void> {
    const idle = Promise.withResolvers<void>();
    const onAbort = (): void => idle.reject(new Canceled());
    this.idleWatchers.add(idle.resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await idle.promise;
    } finally {
      this.idleWatchers.delete(idle.resolve);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** What is automatic on the new side (unset, or num_gpu -1) never reloads. */
function needsReload(runner: Runner, wanted: RunnerOptions): boolean {
  const loaded = runner.options;
  const { num_ctx: context, num_gpu: layers } = wanted;
  if (runner.dead || wanted.shift !== loaded.shift) return true;
  if (context !== undefined && Math.min(context, runner.model.contextLength) !== runner.contextLength) return true;
  if (layers !== undefined && layers >= 0 && layers !== loaded.num_gpu) return true;
  if (wanted.num_batch !== undefined && wanted.num_batch !== (loaded.num_batch ?? DEFAULT_BATCH)) return true;
  const always = ["main_gpu", "use_mmap", "num_thread", "draft_num_predict"] as const;
  return always.some((key) => wanted[key] !== loaded[key]);
}
