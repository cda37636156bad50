// The edge's time as the agent knows it: tokens are made and judged by it, so a host whose clock is wrong still serves.

// The Date header has whole seconds and no promise of accuracy; below this it is no news.
const DATE_HEADER_TRUST_MS = 5_000;

export class EdgeClock {
  private offsetMs = 0;

  /** Epoch ms on the edge's clock. */
  now(): number {
    return Date.now() + this.offsetMs;
  }

  /** Takes the edge's own statement of its time; the answer's travel is taken as half the round trip. */
  learn(edgeTimeMs: number, sentAt: number, receivedAt: number): void {
    this.offsetMs = Math.round(edgeTimeMs - (sentAt + receivedAt) / 2);
  }

  /** Takes the time of a Date header, for the calls before the first accepted heartbeat. */
  learnFromDate(header: string | undefined): void {
    const edgeTimeMs = header === undefined ? Number.NaN : Date.parse(header) + 500;
    if (Math.abs(edgeTimeMs - this.now()) > DATE_HEADER_TRUST_MS) this.offsetMs = Math.round(edgeTimeMs - Date.now());
  }
}
