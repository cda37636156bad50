// Notices that nothing has happened for a time. A touch costs one reading of the clock, so that it may be had per chunk.

export class IdleTimer {
  readonly #limitMs: number;
  readonly #onIdle: () => void;
  #touchedAt = performance.now();
  #held = false;
  #timer: NodeJS.Timeout | undefined;

  /** Calls back each time that nothing has touched the timer for `limitMs`. */
  constructor(limitMs: number, onIdle: () => void) {
    this.#limitMs = limitMs;
    this.#onIdle = onIdle;
    this.#arm(limitMs);
  }

  /** Something has happened. */
  touch(): void {
    this.#held = false;
    this.#touchedAt = performance.now();
  }

  /** Nothing can happen now, through no fault of whoever is watched; the time begins anew with the next touch. */
  hold(): void {
    this.#held = true;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(afterMs: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.max(1, Math.ceil(afterMs)));
  }

  #look(): void {
    const idleMs = this.#held ? 0 : performance.now() - this.#touchedAt;
    // A timer may fire a fraction of a millisecond early.
    if (idleMs + 1 < this.#limitMs) return this.#arm(this.#limitMs - idleMs);
    this.#touchedAt = performance.now();
    this.#arm(this.#limitMs);
    this.#onIdle();
  }
}
