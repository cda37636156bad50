// What Ollama does not tell of a request, timed from beside it: OpenAI's and Anthropic's answers carry counts at most.
import type { LeaseReport } from "./leases.ts";

export interface Timing {
  /** What the agent itself waited for the model to be in memory, ms. */
  readonly loadMs: number;
  readonly askedAt: number;
  /** When Ollama began to answer: for a stream with its first token. */
  readonly answeredAt: number;
  readonly endedAt: number;
  /** Events of an event stream; undefined for other answers. */
  readonly events?: number | undefined;
}

/** Events around those with tokens: the role or the end, `[DONE]`. */
const EVENTS_AROUND = 2;

/** Completes a report with what was timed; what Ollama measured itself is kept. */
export function completeReport(report: LeaseReport, timing: Timing): LeaseReport {
  const { askedAt, answeredAt, endedAt, events } = timing;
  const loadMs = timing.loadMs + (report.loadMs ?? 0);
  if (events === undefined || report.promptMs !== undefined || report.outcome !== "served")
    return { ...report, loadMs };
  const outputTokens = report.outputTokens ?? Math.max(0, events - EVENTS_AROUND);
  return { ...report, loadMs, promptMs: answeredAt - askedAt, outputMs: endedAt - answeredAt, outputTokens };
}
