// Waiting that ends at once when the request it is for is aborted.

/** Ollama's context.Canceled: the client has gone. */
export class Canceled extends Error {
  override name = "Canceled";
}

/** Waits; zero or less does not wait at all, not even for the event loop. Throws Canceled when the signal fires. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> | undefined {
  if (signal.aborted) throw new Canceled();
  if (durationMs <= 0) return undefined;
  const wait = Promise.withResolvers<void>();
  const onAbort = (): void => {
    clearTimeout(timer);
    wait.reject(new Canceled());
  };
  const timer =
    durationMs === Number.POSITIVE_INFINITY
      ? undefined
      : setTimeout(() => {
          signal.removeEventListener("abort", onAbort);
          wait.resolve();
        }, durationMs);
  signal.addEventListener("abort", onAbort, { once: true });
  return wait.promise;
}

/** A counting semaphore, first come first served; those who give up leave the line. */
export class Places {
  private free: number;
  private readonly line: { readonly admit: () => void }[] = [];

  constructor(count: number) {
    this.free = count;
  }

  get waiting(): number {
    return this.line.length;
  }

  /** Takes a place, at once when one is free. */
  take(signal: AbortSignal): Promise<void> | undefined {
    if (signal.aborted) throw new Canceled();
    if (this.free > 0) {
      this.free--;
      return undefined;
    }
    const wait = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.line.splice(this.line.indexOf(place), 1);
      wait.reject(new Canceled());
    };
    const place = {
      admit: () => {
        signal.removeEventListener("abort", onAbort);
        wait.resolve();
      },
    };
    this.line.push(place);
    signal.addEventListener("abort", onAbort, { once: true });
    return wait.promise;
  }

  give(): void {
    const next = this.line.shift();
    if (next === undefined) this.free++;
    else next.admit();
  }
}
