// The leases this host works on and those it has ended: the cell rebuilds its counts from here, so this is the truth.
import type { FinishedLease, Heartbeat } from "../../wire/heartbeat.ts";

export type Lease = {
  readonly id: string;
  /** Canonical key from the leg's token; empty where the request names no model. */
  readonly model: string;
  readonly startedAt: number;
  /** False for requests that take no slot of Ollama. */
  readonly counted: boolean;
  /** False for work that the cell keeps no books of. */
  readonly listed: boolean;
  /** Fires when the edge no longer wants the answer. */
  readonly signal: AbortSignal;
  readonly abort: () => void;
  /** Nobody wants it any more and Ollama has been told: it takes no slot, and is listed until Ollama has let go. */
  ending: boolean;
};

export type LeaseReport = Omit<FinishedLease, "id" | "model" | "totalMs">;

// The heartbeat's own limit.
const MAX_FINISHED = 4096;

export class Leases {
  private readonly held = new Set<Lease>();
  private finished: FinishedLease[] = [];
  private forced = 0;
  private readonly slots: number;
  private onIdle: (() => void) | undefined;

  constructor(slots: number) {
    this.slots = slots;
  }

  /** Takes a slot, or says with undefined that all are taken. */
  take(id: string, model: string, counted: boolean, listed = true): Lease | undefined {
    if (counted && this.countedNow() >= this.slots) return undefined;
    const abort = new AbortController();
    const lease: Lease = {
      id,
      model,
      startedAt: Date.now(),
      counted,
      listed,
      signal: abort.signal,
      abort: () => abort.abort(),
      ending: false,
    };
    this.held.add(lease);
    return lease;
  }

  /** Gives the slot back and keeps the report until a heartbeat is acknowledged; a second call does nothing. */
  end(lease: Lease, report: LeaseReport): void {
    if (!this.held.delete(lease)) return;
    if (this.held.size === 0) this.onIdle?.();
    if (!lease.listed) return;
    const totalMs = Math.max(0, Date.now() - lease.startedAt);
    this.finished.push({ id: lease.id, model: lease.model, totalMs, ...report });
    if (this.finished.length > MAX_FINISHED) this.finished.shift();
  }

  /** Notes that Ollama went on with a request that nobody wanted until its connection was reset. */
  noteForced(): void {
    this.forced += 1;
  }

  forcedCancels(): number {
    return this.forced;
  }

  /** Ends the request that works under this lease, if there is one. */
  cancel(id: string): void {
    for (const lease of this.held) if (lease.id === id) lease.abort();
  }

  /** Resolves when nothing is held any more, or when the time is over. */
  async whenIdle(limitMs: number): Promise<void> {
    if (this.held.size === 0 || limitMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  cancelAll(): void {
    for (const lease of this.held) lease.abort();
  }

  active(): Heartbeat["active"] {
    // Without a model: the cell takes it for one that needs no slot.
    return [...this.held]
      .filter(({ listed }) => listed)
      .map(({ id, model, startedAt, counted }) => ({ id, model: counted ? model : "", startedAt }));
  }

  unacknowledged(): readonly FinishedLease[] {
    return [...this.finished];
  }

  /** Forgets reports that the cell now has. */
  acknowledge(reports: readonly FinishedLease[]): void {
    const known = new Set(reports);
    this.finished = this.finished.filter((report) => !known.has(report));
  }

  private countedNow(): number {
    let count = 0;
    for (const lease of this.held) if (lease.counted && !lease.ending) count++;
    return count;
  }
}
