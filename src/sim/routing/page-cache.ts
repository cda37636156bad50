// The operating system's page cache: which models' weights a host can read again without its disk.
import type { ModelKind } from "./calibration.ts";

/** Keeps the models read last, as many bytes as there is room for. */
export class PageCache {
  readonly #limitBytes: number;
  /** Least recently read first. */
  readonly #sizes = new Map<string, number>();

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Whether a model's weights are there. */
  has({ name }: ModelKind): boolean {
    return this.#sizes.has(name);
  }

  /** Reads a model; true if its weights were there already. */
  read({ name, weightBytes }: ModelKind): boolean {
    const cached = this.#sizes.delete(name);
    this.#sizes.set(name, weightBytes);
    let bytes = [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
    for (const [oldest, size] of this.#sizes) {
      if (bytes <= this.#limitBytes) break;
      this.#sizes.delete(oldest);
      bytes -= size;
    }
    return cached;
  }
}
