// A simulated host: Ollama's scheduler over its runners, in virtual time (server/sched.go).
import { defaultContext, loadMs } from "./calibration.ts";
import type { ModelKind } from "./calibration.ts";
import { Device } from "./device.ts";
import type { Call, Client, HostRequest, HostSpec, LoadedModel } from "./host-spec.ts";
import { PageCache } from "./page-cache.ts";
import type { Prompt } from "./prompt-cache.ts";
import { Residents } from "./residents.ts";
import type { Resident } from "./residents.ts";
import type { Job, Runner } from "./runner.ts";
import type { Timer, VirtualTime } from "./virtual-time.ts";

interface Pending {
  readonly request: HostRequest;
  readonly model: ModelKind;
  readonly client: Client;
  readonly submittedAt: number;
  /** The client has hung up. */
  left: boolean;
  /** What its runner was given, once it has one. */
  running?: { readonly loaded: Resident; readonly job: Job; startedAt: number } | undefined;
}

const MAX_QUEUE = 512;
const KEEP_ALIVE_MS = 5 * 60_000;
/** Discrete GPUs: memory recovers typically 0.5-1.5 s after an unload (`waitForVRAMRecovery`). */
const EVICTION_MS = 1_000;
/** llama-server looks each second whether its client is still there (`HTTP_POLLING_SECONDS`). */
const POLLING_MS = 1_000;

/** One Ollama. It knows no more of a router than that requests come. */
export class SimulatedHost {
  readonly spec: HostSpec;
  /** Loads begun since the start. */
  loads = 0;
  readonly #time: VirtualTime;
  readonly #pageCache: PageCache;
  readonly #residents: Residents;
  readonly #calls = new Set<Pending>();
  #pending: Pending[] = [];
  #device: Device;
  /** The scheduler works on one pending request at a time; while this is true it waits for something. */
  #scheduling = false;
  #loading: Timer | undefined;
  #victim: string | undefined;
  /** Counts the deaths of this host: what was timed in an earlier life does not happen. */
  #life = 0;

  constructor(spec: HostSpec, time: VirtualTime) {
    this.spec = spec;
    this.#time = time;
    this.#pageCache = new PageCache(spec.kind.pageCacheBytes);
    this.#residents = new Residents(spec);
    this.#device = new Device(time);
  }

  /** Lists the models in memory; one that is still loading is not among them. */
  get loadedModels(): LoadedModel[] {
    return this.#residents.entries().map(([model, { runner, bytes, vramBytes }]) => {
      return { model, numCtx: runner.spec.numCtx, sizeBytes: bytes, sizeVramBytes: vramBytes };
    });
  }

  /** Most models in memory at once. */
  get maxLoaded(): number {
    return this.#residents.most;
  }

  /** Memory no runner holds. */
  get freeBytes(): number {
    return this.#residents.freeBytes;
  }

  /** Requests that wait for a model to be loaded, the one being loaded first. */
  get pendingModels(): string[] {
    return this.#pending.map(({ model }) => model.name);
  }

  /** When the load now running ends. */
  get loadingUntil(): number | undefined {
    return this.#loading?.at;
  }

  /** Which model would have to go for another. */
  victimFor(model: ModelKind, numCtx: number): string | undefined {
    return this.#residents.get(model.name) === undefined ? this.#residents.victimFor(model, numCtx) : undefined;
  }

  /** The runner of a loaded model: for those who may know everything. */
  runnerOf(model: string): Runner | undefined {
    this.#device.catchUp();
    return this.#residents.get(model)?.runner;
  }

  /** Whether a model would be read from the page cache. */
  hasInPageCache(model: ModelKind): boolean {
    return this.#pageCache.has(model);
  }

  /** Takes a request: at once to its runner if that is loaded as asked, else to the queue of models to load. */
  submit(request: HostRequest, client: Client): Call {
    const model = this.spec.models.find(({ name }) => name === request.model);
    if (model === undefined) {
      client.refused?.(404);
      return { cancel: () => undefined };
    }
    const pending: Pending = { request, model, client, submittedAt: this.#time.now, left: false };
    const call = { cancel: () => this.#cancel(pending) };
    const loaded = this.#residents.get(model.name);
    this.#calls.add(pending);
    if (loaded !== undefined && !this.#needsReload(loaded, pending)) {
      this.#dispatch(loaded, pending);
    } else if (this.#pending.length >= (this.spec.maxQueue ?? MAX_QUEUE)) {
      this.#calls.delete(pending);
      client.refused?.(503);
    } else {
      this.#pending.push(pending);
      this.#schedule();
    }
    return call;
  }

  /** Unloads a model as soon as it is idle (`keep_alive: 0` with an empty prompt). */
  unload(model: string): void {
    const loaded = this.#residents.get(model);
    if (loaded !== undefined) this.#leave(model, loaded);
  }

  /** Dies with all it runs and holds in memory; what comes after meets a host that has just started. */
  crash(): void {
    this.#life += 1;
    this.#residents.clear();
    this.#pending = [];
    this.#device.stop();
    this.#device = new Device(this.#time);
    [this.#scheduling, this.#loading, this.#victim] = [false, undefined, undefined];
    const lost = [...this.#calls];
    this.#calls.clear();
    for (const { client, left } of lost) if (!left) client.failed?.();
  }

  #later(delayMs: number, action: () => void): Timer {
    const life = this.#life;
    return this.#time.after(delayMs, () => {
      if (life === this.#life) action();
    });
  }

  /** A client that hangs up aborts the load it waits for; a slot is free once llama-server has looked. */
  #cancel(pending: Pending): void {
    if (pending.left || !this.#calls.has(pending)) return;
    pending.left = true;
    const { running } = pending;
    if (running !== undefined) {
      const sinceMs = this.#time.now - running.startedAt;
      this.#later(POLLING_MS - (sinceMs % POLLING_MS), () => this.#abandon(pending));
      return;
    }
    this.#calls.delete(pending);
    const isHead = this.#pending[0] === pending;
    this.#pending = this.#pending.filter((other) => other !== pending);
    if (!isHead || this.#loading === undefined) return;
    this.#loading.cancel();
    this.#loading = undefined;
    this.#scheduling = false;
    this.#schedule();
  }

  #abandon(pending: Pending): void {
    const { running } = pending;
    if (running === undefined || !this.#calls.delete(pending)) return;
    const { loaded, job } = running;
    this.#device.change(() => loaded.runner.cancel(job, this.#time.now));
    this.#idle(pending.model.name, loaded);
  }

  /** The context of a model that nobody asks a length for. */
  contextOf({ maxContext }: ModelKind): number {
    return Math.min(this.spec.contextLength ?? defaultContext(this.spec.kind), maxContext);
  }

  #contextFor({ request, model }: Pending): number {
    return request.numCtx ?? this.contextOf(model);
  }

  #needsReload({ runner }: Resident, pending: Pending): boolean {
    return runner.spec.numCtx !== this.#contextFor(pending);
  }

  /** `processPending`: the head of the queue blocks all others until it runs. */
  #schedule(): void {
    while (!this.#scheduling) {
      const [head] = this.#pending;
      if (head === undefined) return;
      const loaded = this.#residents.get(head.model.name);
      if (loaded !== undefined && !this.#needsReload(loaded, head)) {
        this.#pending.shift();
        this.#dispatch(loaded, head);
        continue;
      }
      this.#scheduling = true;
      const victim =
        loaded === undefined ? this.#residents.victimFor(head.model, this.#contextFor(head)) : head.model.name;
      if (victim === undefined) this.#load(head);
      else this.#evict(victim);
    }
  }

  #evict(name: string): void {
    this.#victim = name;
    const loaded = this.#residents.get(name);
    if (loaded !== undefined) this.#leave(name, loaded);
  }

  #leave(name: string, loaded: Resident): void {
    loaded.leaving = true;
    if (loaded.runner.idle) this.#remove(name, loaded);
  }

  #remove(name: string, loaded: Resident): void {
    loaded.expiry?.cancel();
    this.#residents.delete(name);
    this.#device.remove(loaded.runner);
    if (this.#victim !== name) return;
    this.#victim = undefined;
    this.#later(this.spec.kind.discrete ? EVICTION_MS : 0, () => {
      this.#scheduling = false;
      this.#schedule();
    });
  }

  #load(head: Pending): void {
    const { model } = head;
    this.loads += 1;
    const durationMs = loadMs(this.spec.kind, model, this.#pageCache.read(model));
    const numCtx = this.#contextFor(head);
    this.#loading = this.#later(durationMs, () => {
      this.#loading = undefined;
      this.#device.add(this.#residents.add(model, numCtx).runner);
      this.#scheduling = false;
      this.#schedule();
    });
  }

  #dispatch(loaded: Resident, pending: Pending): void {
    const { request } = pending;
    const { runner } = loaded;
    loaded.expiry?.cancel();
    runner.keepAliveMs = request.keepAliveMs ?? KEEP_ALIVE_MS;
    const obtainedAt = this.#time.now;
    const job = this.#jobOf(loaded, pending, obtainedAt);
    pending.running = { loaded, job, startedAt: obtainedAt };
    this.#device.change(() => runner.submit(job, obtainedAt));
  }

  #jobOf(loaded: Resident, pending: Pending, obtainedAt: number): Job {
    const { request, client, submittedAt, model } = pending;
    const prompt = truncate(request.prompt, loaded.runner.spec.numCtx);
    let [startedAt, firstTokenAt, cached] = [obtainedAt, obtainedAt, 0];
    return {
      prompt,
      outputTokens: request.outputTokens,
      started: (now: number, cachedTokens: number) => {
        [startedAt, cached] = [now, cachedTokens];
      },
      firstToken: (now: number) => {
        firstTokenAt = now;
        if (!pending.left) client.firstToken?.(now);
      },
      finished: (finishedAt: number) => {
        this.#calls.delete(pending);
        this.#idle(model.name, loaded);
        if (pending.left) return;
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
  }

  #idle(name: string, loaded: Resident): void {
    if (!loaded.runner.idle) return;
    if (loaded.leaving) return this.#remove(name, loaded);
    const { keepAliveMs } = loaded.runner;
    if (keepAliveMs === Infinity) return;
    loaded.expiry?.cancel();
    loaded.expiry = this.#later(keepAliveMs, () => this.#leave(name, loaded));
  }
}

/** Overflow drops the oldest messages: of a shared prefix only its head, the system prompt, survives. */
function truncate(prompt: Prompt, numCtx: number): Prompt {
  if (prompt.tokens <= numCtx) return prompt;
  return { ...prompt, tokens: numCtx, blocks: prompt.blocks.slice(0, 1) };
}
