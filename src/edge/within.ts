// Waiting for something, but not for ever.

// setTimeout takes no more, and fires at once beyond.
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What the promise gives, or undefined after so many ms without; what was waited for goes on. */
export async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(limitMs, TIMER_MAX_MS));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer ?? null);
  }
}
