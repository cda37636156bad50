// How many requests an Ollama really works on at once, where its agent does not know: seen in the time it lets them wait.

export interface SlotsInferred {
  /** Most at once per model as inferred; Infinity while nothing speaks against what the agent says. */
  limit: number;
  /** Newest last: whether a request waited inside the host although it should have had a slot. */
  waits: boolean[];
  /** When the limit was last changed. */
  changedAt: number;
}

/** Template, tokens and network take less than this. */
const SLACK_MS = 100;
const SLACK_SHARE = 0.05;
const WINDOW = 5;
const WAITS_IN_WINDOW = 3;
/** So long after a limit was set one more is tried: the wait may have been foreign traffic. */
const PROBE_AFTER_MS = 120_000;

/** Makes an inference that believes the agent. */
export function newSlotsInferred(): SlotsInferred {
  return { limit: Infinity, waits: [], changedAt: 0 };
}

/** Tells whether a request waited inside its host: total − load − prompt − output, beyond what handling takes. */
export function hasWaited(totalMs: number, accountedMs: number): boolean {
  return totalMs - accountedMs > SLACK_MS + SLACK_SHARE * totalMs;
}

/** Takes whether a request waited that was one of `concurrent` on its runner; lowers the limit when three of five did. */
export function learnSlots(slots: SlotsInferred, waited: boolean, concurrent: number, now: number): void {
  if (concurrent < 2 && !waited) return;
  slots.waits.push(waited);
  if (slots.waits.length > WINDOW) slots.waits.shift();
  if (slots.waits.filter(Boolean).length < WAITS_IN_WINDOW) return;
  slots.limit = Math.max(1, Math.min(slots.limit, concurrent) - 1);
  slots.waits = [];
  slots.changedAt = now;
}

/** Tries one more once the limit has stood for long enough. */
export function probeSlots(slots: SlotsInferred, now: number): void {
  if (slots.limit === Infinity || now - slots.changedAt < PROBE_AFTER_MS) return;
  slots.limit += 1;
  slots.changedAt = now;
}
