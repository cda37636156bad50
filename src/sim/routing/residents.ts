// The models in a host's memory: what fits, who must go for another, and what a runner gets.
import { runnerBytes } from "./calibration.ts";
import type { ModelKind } from "./calibration.ts";
import type { HostSpec } from "./host-spec.ts";
import { Runner } from "./runner.ts";
import type { Timer } from "./virtual-time.ts";

/** A model in memory. */
export interface Resident {
  readonly runner: Runner;
  readonly bytes: number;
  readonly vramBytes: number;
  expiry?: Timer | undefined;
  /** It goes as soon as it is idle. */
  leaving: boolean;
}

const MAX_LOADED_PER_GPU = 3;
const HOST_CACHE_BYTES = 8 * 2 ** 30;
/** A new model must fit in this part of free memory, else something is evicted first. */
const FIT = 0.8;
/** A runner partly outside GPU memory is 5-10 times slower. */
const OFFLOAD_SLOWDOWN = 7;

export class Residents {
  readonly #spec: HostSpec;
  readonly #byName = new Map<string, Resident>();

  constructor(spec: HostSpec) {
    this.#spec = spec;
  }

  /** Most models in memory at once. */
  get most(): number {
    return this.#spec.maxLoaded ?? MAX_LOADED_PER_GPU * this.#spec.kind.gpus;
  }

  /** Memory no runner holds. */
  get freeBytes(): number {
    let free = this.#spec.kind.memoryBytes;
    for (const { vramBytes } of this.#byName.values()) free -= vramBytes;
    return free;
  }

  get(model: string): Resident | undefined {
    return this.#byName.get(model);
  }

  /** By name, in order of loading. */
  entries(): [string, Resident][] {
    return [...this.#byName];
  }

  /** Puts a model that has been read into memory, and what does not fit beside it. */
  add(model: ModelKind, numCtx: number): Resident {
    const parallel = this.#parallelOf(model);
    const bytes = runnerBytes(model, parallel, numCtx);
    const vramBytes = Math.min(bytes, this.freeBytes);
    const runner = new Runner({
      host: this.#spec.kind,
      model,
      parallel,
      numCtx,
      // Nothing that was embedded is of use to the next text.
      hostCacheBytes: model.serial === true ? 0 : (this.#spec.hostCacheBytes ?? HOST_CACHE_BYTES),
      slowdown: vramBytes < bytes ? OFFLOAD_SLOWDOWN : 1,
    });
    const resident = { runner, bytes, vramBytes, leaving: false };
    this.#byName.set(model.name, resident);
    return resident;
  }

  delete(model: string): void {
    this.#byName.delete(model);
  }

  /** Takes everything out of memory at once. */
  clear(): void {
    for (const { expiry } of this.#byName.values()) expiry?.cancel();
    this.#byName.clear();
  }

  /** `findRunnerToUnload`: by keep-alive, then by name; the first idle one, else the first. Undefined if none must go. */
  victimFor(model: ModelKind, numCtx: number): string | undefined {
    const needed = runnerBytes(model, this.#parallelOf(model), numCtx);
    if (this.#byName.size < this.most && needed <= FIT * this.freeBytes) return undefined;
    const order = this.entries().sort(([a, first], [b, second]) => {
      return compare(first.runner.keepAliveMs, second.runner.keepAliveMs) || compare(a, b);
    });
    return (order.find(([, { runner }]) => runner.idle) ?? order[0])?.[0];
  }

  #parallelOf({ serial }: ModelKind): number {
    return serial === true ? 1 : this.#spec.parallel;
  }
}

function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
