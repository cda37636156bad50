// The figures of a suite as text: a table per scenario, and each target with what was measured.
import type { Headline } from "./headline.ts";
import type { Check } from "./targets.ts";
import type { Figures, ScenarioResult } from "./suite.ts";

const HEAD = [
  "policy",
  "ttft mean",
  "p50",
  "p95",
  "p99",
  "done mean",
  "p50",
  "p95",
  "p99",
  "hit %",
  "loads/h",
  "unserved",
];

/** Prints a scenario's figures, the best mean time to first token first, seconds. */
export function printScenario({ scenario, title, figures, bound }: ScenarioResult): string {
  const sorted = [...figures].sort(([, a], [, b]) => a.ttft.mean - b.ttft.mean);
  const rows = [HEAD, ...sorted.map(([name, row]) => rowOf(name, row)), boundRow(bound)];
  return `${scenario}: ${title}\n${alignColumns(rows)}`;
}

/** Prints checks, a line each. */
export function printChecks(checks: readonly Check[]): string {
  return checks.map(({ id, text, met }) => `${met ? "met " : "MISS"}  ${id}: ${text}\n`).join("");
}

/** Prints the headline with the load it holds at, in every way of telling it. */
export function printHeadline({ about, load, completionMs, ttftMs }: Headline): string {
  const { requestsPerSecond, busy, slotsBusy, slowdown } = load;
  const at = `${requestsPerSecond.toFixed(2)} requests/s: one host works ${part(busy)} of the time with ${part(slotsBusy)} of its slots in use, and takes ${slowdown.toFixed(2)} × its unloaded time`;
  const rows = ([1, 2, 4] as const).map((size) => {
    const saved = [completionMs, ttftMs].map((times) => part(times[size] / times[1] - 1));
    return [`${size}`, seconds(completionMs[size]), saved[0] ?? "", seconds(ttftMs[size]), saved[1] ?? ""];
  });
  return `RTX 3090, N = 4, Azure conversation, ${about}\n${at}\n${alignColumns([["hosts", "done mean", "", "ttft mean", ""], ...rows])}`;
}

/** Lines up columns: the first to the left, numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

function rowOf(name: string, { ttft, completion, hitPercent, loadsPerHour, unserved }: Figures): string[] {
  const times = [
    ttft.mean,
    ttft.p50,
    ttft.p95,
    ttft.p99,
    completion.mean,
    completion.p50,
    completion.p95,
    completion.p99,
  ];
  return [name, ...times.map(seconds), hitPercent.toFixed(1), loadsPerHour.toFixed(0), unserved.toFixed(0)];
}

function boundRow({ ttft, completion }: ScenarioResult["bound"]): string[] {
  const times = [
    ttft.mean,
    ttft.p50,
    ttft.p95,
    ttft.p99,
    completion.mean,
    completion.p50,
    completion.p95,
    completion.p99,
  ];
  return ["(no contention)", ...times.map(seconds), "", "", ""];
}

function part(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}
