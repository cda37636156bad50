// What hosts said of their models, kept for a minute each: whoever asks again and again costs no host anything.

export interface Shown {
  readonly body: Uint8Array;
  readonly contentType: string;
}

interface Kept extends Shown {
  /** Epoch ms. */
  readonly until: number;
}

/** A host whose copy was changed behind Hive's back says so only with its next heartbeat, and is not believed for longer. */
const KEPT_MS = 60_000;
/** All of them together; an answer with `verbose` has a vocabulary in it, several MB. */
const KEPT_BYTES = 8_000_000;
const ONE_BYTES = 2_000_000;

/** Answers by all that they depend on, the model's digest first of all. */
export class ShownModels {
  readonly #kept = new Map<string, Kept>();
  #sizeBytes = 0;

  /** The answer kept under a key, as long as it may be given. */
  get(key: string, now: number): Shown | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || kept.until > now) return kept;
    this.#forget(key, kept);
    return undefined;
  }

  /** Keeps an answer, and forgets the oldest ones where there is no room. */
  put(key: string, { body, contentType }: Shown, now: number): void {
    const sizeBytes = body.byteLength + key.length;
    if (sizeBytes > ONE_BYTES) return;
    const before = this.#kept.get(key);
    if (before !== undefined) this.#forget(key, before);
    for (const [oldest, kept] of this.#kept) {
      if (this.#sizeBytes + sizeBytes <= KEPT_BYTES) break;
      this.#forget(oldest, kept);
    }
    this.#kept.set(key, { body, contentType, until: now + KEPT_MS });
    this.#sizeBytes += sizeBytes;
  }

  #forget(key: string, { body }: Kept): void {
    this.#kept.delete(key);
    this.#sizeBytes -= body.byteLength + key.length;
  }
}
