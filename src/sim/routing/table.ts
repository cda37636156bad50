// Results side by side, as text for a terminal.
import type { Metrics, Spread } from "./metrics.ts";

export interface NamedResult {
  readonly name: string;
  readonly metrics: Metrics;
}

const SPREAD = ["mean", "p50", "p95", "p99"] as const satisfies readonly (keyof Spread)[];
const HEADER = [
  "policy",
  ...SPREAD.map((part) => `ttft ${part}`),
  ...SPREAD.map((part) => `done ${part}`),
  "loads/h",
  "hit %",
  "jain",
  "served",
  "refused",
  "open",
];

/** Prints one line per result; times in seconds, names to the left and numbers to the right. */
export function printTable(results: readonly NamedResult[]): string {
  const rows = [HEADER, ...results.map(rowOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `${cells.join("  ")}\n`;
  });
  return lines.join("");
}

function rowOf({ name, metrics }: NamedResult): string[] {
  const { ttftMs, completionMs, loadsPerHour, hitPercent, jain, served, refused, unfinished } = metrics;
  const seconds = (spread: Spread): string[] => SPREAD.map((part) => (spread[part] / 1000).toFixed(2));
  const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0);
  return [
    name,
    ...seconds(ttftMs),
    ...seconds(completionMs),
    loadsPerHour.toFixed(1),
    hitPercent.toFixed(1),
    jain.toFixed(2),
    String(served),
    String(refusals),
    String(unfinished),
  ];
}
