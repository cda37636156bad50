// A simulated host: Ollama's scheduler over its runners, in virtual time (server/sched.go).
import { defaultContext, loadMs, runnerBytes } from "./calibration.ts";
import type { HostKind, ModelKind } from "./calibration.ts";
import { PageCache } from "./page-cache.ts";
import type { Prompt } from "./prompt-cache.ts";
import { Runner } from "./runner.ts";
import type { Timer, VirtualTime } from "./virtual-time.ts";

export interface HostSpec {
  readonly id: string;
  readonly kind: HostKind;
  /** OLLAMA_NUM_PARALLEL. */
  readonly parallel: number;
  readonly models: readonly ModelKind[];
  /** OLLAMA_MAX_LOADED_MODELS; three per GPU unless given. */
  readonly maxLoaded?: number | undefined;
  /** OLLAMA_MAX_QUEUE; 512 unless given. */
  readonly maxQueue?: number | undefined;
  /** LLAMA_ARG_CACHE_RAM; 8 GiB unless given. */
  readonly hostCacheBytes?: number | undefined;
}

export interface HostRequest {
  readonly model: string;
  readonly prompt: Prompt;
  readonly outputTokens: number;
  readonly numCtx?: number | undefined;
  /** OLLAMA_KEEP_ALIVE (5 min) unless given; Infinity for ever. */
  readonly keepAliveMs?: number | undefined;
}

/** How a request went, as the host measured it. */
export interface Served {
  readonly submittedAt: number;
  /** Until the runner was obtained: pending queue, eviction and load. */
  readonly loadMs: number;
  /** Waiting for a slot inside the host. */
  readonly slotWaitMs: number;
  readonly firstTokenAt: number;
  readonly finishedAt: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

export interface Client {
  firstToken?(now: number): void;
  served?(result: Served): void;
  /** 503: as many requests wait for models as the host allows; 404: no such model. */
  refused?(status: 404 | 503): void;
}

export interface LoadedModel {
  readonly model: string;
  readonly numCtx: number;
  readonly sizeBytes: number;
  readonly sizeVramBytes: number;
}

interface Pending {
  readonly request: HostRequest;
  readonly model: ModelKind;
  readonly client: Client;
  readonly submittedAt: number;
}

interface Loaded {
  readonly runner: Runner;
  readonly bytes: number;
  readonly vramBytes: number;
  expiry?: Timer | undefined;
  leaving: boolean;
}

const MAX_LOADED_PER_GPU = 3;
const MAX_QUEUE = 512;
const KEEP_ALIVE_MS = 5 * 60_000;
const HOST_CACHE_BYTES = 8 * 2 ** 30;
/** A new model must fit in this part of free memory, else something is evicted first. */
const FIT = 0.8;
/** Discrete GPUs: memory recovers typically 0.5-1.5 s after an unload (`waitForVRAMRecovery`). */
const EVICTION_MS = 1_000;
/** A runner partly outside GPU memory is 5-10 times slower. */
const OFFLOAD_SLOWDOWN = 7;

/** One Ollama. It knows no more of a router than that requests come. */
export class SimulatedHost {
  readonly spec: HostSpec;
  /** Loads begun since the start. */
  loads = 0;
  readonly #time: VirtualTime;
  readonly #loaded = new Map<string, Loaded>();
  readonly #pending: Pending[] = [];
  readonly #pageCache: PageCache;
  /** The scheduler works on one pending request at a time; while this is true it waits for something. */
  #scheduling = false;
  #victim: string | undefined;
  #advancedAt = 0;
  #next: Timer | undefined;

  constructor(spec: HostSpec, time: VirtualTime) {
    this.spec = spec;
    this.#time = time;
    this.#pageCache = new PageCache(spec.kind.pageCacheBytes);
    this.#advancedAt = time.now;
  }

  /** Lists the models in memory; one that is still loading is not among them. */
  get loadedModels(): LoadedModel[] {
    return [...this.#loaded].map(([model, { runner, bytes, vramBytes }]) => {
      return { model, numCtx: runner.spec.numCtx, sizeBytes: bytes, sizeVramBytes: vramBytes };
    });
  }

  /** Most models in memory at once. */
  get maxLoaded(): number {
    return this.spec.maxLoaded ?? MAX_LOADED_PER_GPU * this.spec.kind.gpus;
  }

  /** Memory no runner holds. */
  get freeBytes(): number {
    return [...this.#loaded.values()].reduce((free, { vramBytes }) => free - vramBytes, this.spec.kind.memoryBytes);
  }

  /** Takes a request: at once to its runner if that is loaded as asked, else to the queue of models to load. */
  submit(request: HostRequest, client: Client): void {
    const model = this.spec.models.find(({ name }) => name === request.model);
    if (model === undefined) return client.refused?.(404);
    const pending = { request, model, client, submittedAt: this.#time.now };
    const loaded = this.#loaded.get(model.name);
    if (loaded !== undefined && !this.#needsReload(loaded, pending)) return this.#dispatch(loaded, pending);
    if (this.#pending.length >= (this.spec.maxQueue ?? MAX_QUEUE)) return client.refused?.(503);
    this.#pending.push(pending);
    this.#schedule();
  }

  /** Unloads a model as soon as it is idle (`keep_alive: 0` with an empty prompt). */
  unload(model: string): void {
    const loaded = this.#loaded.get(model);
    if (loaded !== undefined) this.#leave(model, loaded);
  }

  #contextFor({ request, model }: Pending): number {
    return request.numCtx ?? Math.min(defaultContext(this.spec.kind), model.maxContext);
  }

  #needsReload({ runner }: Loaded, pending: Pending): boolean {
    return runner.spec.numCtx !== this.#contextFor(pending);
  }

  /** `processPending`: the head of the queue blocks all others until it runs. */
  #schedule(): void {
    while (!this.#scheduling) {
      const [head] = this.#pending;
      if (head === undefined) return;
      const loaded = this.#loaded.get(head.model.name);
      if (loaded !== undefined && !this.#needsReload(loaded, head)) {
        this.#pending.shift();
        this.#dispatch(loaded, head);
        continue;
      }
      this.#scheduling = true;
      const victim = loaded === undefined ? this.#chooseVictim(head) : head.model.name;
      if (victim === undefined) this.#load(head);
      else this.#evict(victim);
    }
  }

  /** `findRunnerToUnload`: by keep-alive, then by name; the first idle one, else the first. */
  #chooseVictim(head: Pending): string | undefined {
    const { parallel } = this.spec;
    const needed = runnerBytes(head.model, parallel, this.#contextFor(head));
    if (this.#loaded.size < this.maxLoaded && needed <= FIT * this.freeBytes) return undefined;
    const order = [...this.#loaded].sort(([a, first], [b, second]) => {
      return compare(first.runner.keepAliveMs, second.runner.keepAliveMs) || compare(a, b);
    });
    return (order.find(([, { runner }]) => runner.idle) ?? order[0])?.[0];
  }

  #evict(name: string): void {
    this.#victim = name;
    const loaded = this.#loaded.get(name);
    if (loaded !== undefined) this.#leave(name, loaded);
  }

  #leave(name: string, loaded: Loaded): void {
    loaded.leaving = true;
    if (loaded.runner.idle) this.#remove(name, loaded);
  }

  #remove(name: string, loaded: Loaded): void {
    loaded.expiry?.cancel();
    this.#loaded.delete(name);
    if (this.#victim !== name) return;
    this.#victim = undefined;
    this.#time.after(this.spec.kind.discrete ? EVICTION_MS : 0, () => {
      this.#scheduling = false;
      this.#schedule();
    });
  }

  #load(head: Pending): void {
    const { model } = head;
    this.loads += 1;
    const durationMs = loadMs(this.spec.kind, model, this.#pageCache.read(model));
    const numCtx = this.#contextFor(head);
    this.#time.after(durationMs, () => {
      const bytes = runnerBytes(model, this.spec.parallel, numCtx);
      const vramBytes = Math.min(bytes, this.freeBytes);
      const runner = new Runner({
        host: this.spec.kind,
        model,
        parallel: this.spec.parallel,
        numCtx,
        hostCacheBytes: this.spec.hostCacheBytes ?? HOST_CACHE_BYTES,
        slowdown: vramBytes < bytes ? OFFLOAD_SLOWDOWN : 1,
      });
      this.#loaded.set(model.name, { runner, bytes, vramBytes, leaving: false });
      this.#scheduling = false;
      this.#schedule();
    });
  }

  #dispatch(loaded: Loaded, { request, client, submittedAt }: Pending): void {
    const { runner } = loaded;
    this.#advance();
    loaded.expiry?.cancel();
    runner.keepAliveMs = request.keepAliveMs ?? KEEP_ALIVE_MS;
    const obtainedAt = this.#time.now;
    const prompt = truncate(request.prompt, runner.spec.numCtx);
    let [startedAt, firstTokenAt, cached] = [obtainedAt, obtainedAt, 0];
    const job = {
      prompt,
      outputTokens: request.outputTokens,
      started: (now: number, cachedTokens: number) => {
        [startedAt, cached] = [now, cachedTokens];
      },
      firstToken: (now: number) => {
        firstTokenAt = now;
        client.firstToken?.(now);
      },
      finished: (finishedAt: number) => {
        this.#idle(request.model, loaded);
        client.served?.({
          submittedAt,
          loadMs: obtainedAt - submittedAt,
          slotWaitMs: startedAt - obtainedAt,
          firstTokenAt,
          finishedAt,
          promptTokens: prompt.tokens,
          cachedTokens: cached,
          outputTokens: request.outputTokens,
        });
      },
    };
    runner.submit(job, obtainedAt);
    this.#plan();
  }

  #idle(name: string, loaded: Loaded): void {
    if (!loaded.runner.idle) return;
    if (loaded.leaving) return this.#remove(name, loaded);
    const { keepAliveMs } = loaded.runner;
    if (keepAliveMs === Infinity) return;
    loaded.expiry?.cancel();
    loaded.expiry = this.#time.after(keepAliveMs, () => this.#leave(name, loaded));
  }

  /** Busy runners of a host share its device in equal parts. */
  #share(): number {
    const busy = [...this.#loaded.values()].filter(({ runner }) => !runner.idle).length;
    return 1 / Math.max(1, busy);
  }

  #advance(): void {
    const elapsedMs = this.#time.now - this.#advancedAt;
    this.#advancedAt = this.#time.now;
    if (elapsedMs === 0) return;
    const share = this.#share();
    for (const { runner } of this.#loaded.values()) runner.advance(elapsedMs, share);
  }

  #plan(): void {
    this.#next?.cancel();
    const share = this.#share();
    const untilMs = Math.min(...[...this.#loaded.values()].map(({ runner }) => runner.untilNextMs(share)), Infinity);
    if (untilMs === Infinity) return;
    this.#next = this.#time.after(untilMs, () => {
      this.#advance();
      for (const { runner } of this.#loaded.values()) runner.settle(this.#time.now);
      this.#plan();
    });
  }
}

/** Overflow drops the oldest messages: of a shared prefix only its head, the system prompt, survives. */
function truncate(prompt: Prompt, numCtx: number): Prompt {
  if (prompt.tokens <= numCtx) return prompt;
  return { ...prompt, tokens: numCtx, blocks: prompt.blocks.slice(0, 1) };
}

function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
