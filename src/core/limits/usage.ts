// What tenants have used: requests and tokens per day and model, from what hosts report at the end of each request.
import type { UsageView } from "../../wire/cell-rpc.ts";
import type { FinishedLease } from "../../wire/heartbeat.ts";

/** A report comes again until the cell's answer has arrived: so many ids are remembered, to count each once. */
const COUNTED_MAX = 20_000;

export interface Usage {
  /** What the rows on disk do not have yet, by tenant, day and model. */
  readonly unsaved: Map<string, UsageView>;
  readonly counted: Set<string>;
}

export function createUsage(): Usage {
  return { unsaved: new Map(), counted: new Set() };
}

/** Adds a finished request to its tenant; false for one that was counted before. */
export function countFinished(usage: Usage, tenant: string, finished: FinishedLease, now: number): boolean {
  if (usage.counted.has(finished.id)) return false;
  usage.counted.add(finished.id);
  if (usage.counted.size > COUNTED_MAX) {
    const oldest = usage.counted.values().next();
    if (!oldest.done) usage.counted.delete(oldest.value);
  }
  const { model, promptTokens = 0, outputTokens = 0 } = finished;
  const row = { tenant, day: dayOf(now), model, requests: 1, promptTokens, outputTokens };
  const key = JSON.stringify([tenant, row.day, model]);
  usage.unsaved.set(key, add(usage.unsaved.get(key), row));
  return true;
}

/** Takes out what is to be saved. */
export function takeUnsaved(usage: Usage): UsageView[] {
  const rows = [...usage.unsaved.values()];
  usage.unsaved.clear();
  return rows;
}

/** The UTC day of an instant. */
export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}

function add(before: UsageView | undefined, row: UsageView): UsageView {
  if (before === undefined) return row;
  return {
    ...row,
    requests: before.requests + row.requests,
    promptTokens: before.promptTokens + row.promptTokens,
    outputTokens: before.outputTokens + row.outputTokens,
  };
}
