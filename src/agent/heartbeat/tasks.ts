// What this host does on order, for its heartbeats: the cell sees progress, and why something failed.
import type { HostTask } from "../../wire/heartbeat.ts";

/** How long a failure is told; the cell hears it with the next heartbeat. */
const FAILURE_TOLD_MS = 60_000;
/** The heartbeat's own limit of a reason. */
const REASON_MAX_CHARS = 200;

export interface Task {
  /** Says how far it is. */
  progress(doneBytes: number, totalBytes: number): void;
  /** Ends it; with a reason when it failed. */
  end(failure?: string): void;
}

export class Tasks {
  readonly #rows = new Map<string, HostTask>();
  readonly #failedAt = new Map<string, number>();

  /** Notes the start of a task; undefined while the same is under way. */
  begin(type: HostTask["type"], model: string): Task | undefined {
    const key = `${type} ${model}`;
    const running = this.#rows.get(key);
    if (running !== undefined && running.failure === undefined) return undefined;
    const row: HostTask = { type, model, startedAt: Date.now() };
    this.#rows.set(key, row);
    this.#failedAt.delete(key);
    return {
      progress: (doneBytes, totalBytes) => void this.#rows.set(key, { ...row, doneBytes, totalBytes }),
      end: (failure) => {
        if (failure === undefined) {
          this.#rows.delete(key);
          return;
        }
        this.#rows.set(key, { ...row, failure: failure.slice(0, REASON_MAX_CHARS) });
        this.#failedAt.set(key, performance.now());
      },
    };
  }

  report(): HostTask[] {
    for (const [key, at] of this.#failedAt) {
      if (performance.now() - at < FAILURE_TOLD_MS) continue;
      this.#failedAt.delete(key);
      this.#rows.delete(key);
    }
    return [...this.#rows.values()];
  }
}
