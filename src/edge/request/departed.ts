// Requests whose clients left before any header: plain workerd does not notice, the front that watches its sockets does.

/** Most requests remembered as departed; each is looked up once, shortly after. */
const REMEMBERED_MAX = 5_000;
const departed = new Set<string>();

/** Notes that nobody waits for a request any more. */
export function noteDeparted(requestId: string): void {
  if (departed.size >= REMEMBERED_MAX) departed.clear();
  departed.add(requestId);
}

/** Whether the request's client left; forgets it, for the request ends now. */
export function hasDeparted(requestId: string): boolean {
  return departed.delete(requestId);
}
