// Clients that leave before any header. Plain workerd does not notice those that close their side, the front that watches its
// sockets does; a reset it does notice, as Cloudflare notices every client that leaves.

/** Most requests remembered as departed; each is looked up once, shortly after, but for those whose answer has begun. */
const REMEMBERED_MAX = 5_000;
const departed = new Set<string>();

/** Notes that nobody waits for a request any more. */
export function noteDeparted(requestId: string): void {
  departed.add(requestId);
  if (departed.size <= REMEMBERED_MAX) return;
  const oldest = departed.keys().next();
  if (!oldest.done) departed.delete(oldest.value);
}

/** Whether the request's client left; forgets it, for the request ends now. */
export function hasDeparted(requestId: string): boolean {
  return departed.delete(requestId);
}

/** Waits for work; acts at once where `gone` fires meanwhile, for a runtime may drop all that would come after the work. */
export async function whileThere<T>(gone: AbortSignal | undefined, onGone: () => void, work: Promise<T>): Promise<T> {
  gone?.addEventListener("abort", onGone);
  try {
    return await work;
  } finally {
    gone?.removeEventListener("abort", onGone);
  }
}
