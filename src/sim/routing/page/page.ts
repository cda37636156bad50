// The page of `hive simulate --html`: distribution of times to first token, load sweep, table. It loads nothing.
import type { Comparison, PolicyResult, SweepPoint } from "../comparison.ts";
import { CLAIRVOYANT } from "../routers.ts";
import { linearAxis, logAxis } from "./axis.ts";
import { drawChart, escapeText, HEIGHT, PLOT, WIDTH } from "./chart.ts";
import type { Series } from "./chart.ts";
import { STYLE } from "./style.ts";

export interface PageText {
  readonly title: string;
  /** What was run: workload, fleet, seed. */
  readonly about: string;
  /** The policy to stand out. */
  readonly ours: string;
}

const X_RANGE = [PLOT.left, WIDTH - PLOT.right] as const;
const Y_RANGE = [HEIGHT - PLOT.bottom, PLOT.top] as const;
/** Points of a distribution's line. */
const CURVE_POINTS = 240;
const LEAST_SECONDS = 0.05;
const COLOURS = 7;
/** A sweep shows completion times up to this multiple of the best under the lightest load: beyond is overrun. */
const SWEEP_HEADROOM = 5;

/** Writes the page. */
export function writePage(comparison: Comparison, { title, about, ours }: PageText): string {
  const styles = stylesOf(comparison.results, ours);
  const legend = [...styles].map(([name, style]) => {
    return `<li><svg viewBox="0 0 24 8"><line class="line ${style}" x1="0" x2="24" y1="4" y2="4"/></svg>${escapeText(name)}</li>`;
  });
  const sweep = comparison.sweep.length < 2 ? "" : sweepSection(comparison, styles);
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escapeText(title)}</h1>
<p>${escapeText(about)}</p>
<ul class="legend">${legend.join("")}</ul>
<h2>How many have their first token by when</h2>
${distribution(comparison.results, styles)}
${sweep}
<h2>Figures</h2>
${table(comparison, styles)}
</body>
</html>
`;
}

/** Ours first, the clairvoyant dashed, the rest in the order of their mean times. */
function stylesOf(results: readonly PolicyResult[], ours: string): Map<string, string> {
  const sorted = [...results].sort((a, b) => a.metrics.ttftMs.mean - b.metrics.ttftMs.mean).map(({ name }) => name);
  const rest = sorted.filter((name) => name !== ours && name !== CLAIRVOYANT);
  const named = sorted.includes(ours) ? [[ours, "ours"] as const] : [];
  const bound = sorted.includes(CLAIRVOYANT) ? [[CLAIRVOYANT, "bound"] as const] : [];
  return new Map([...named, ...bound, ...rest.map((name, index) => [name, `c${index % COLOURS}`] as const)]);
}

function distribution(results: readonly PolicyResult[], styles: ReadonlyMap<string, string>): string {
  const series = seriesOf(styles, (name): Series["points"] => {
    const times = results.find((result) => result.name === name)?.ttftMs ?? [];
    const step = Math.max(1, Math.floor(times.length / CURVE_POINTS));
    return times.flatMap((ms, index) => {
      if (index % step !== 0 && index !== times.length - 1) return [];
      return [[Math.max(LEAST_SECONDS, ms / 1000), (100 * (index + 1)) / times.length] as const];
    });
  });
  const most = Math.min(...results.map(({ metrics }) => metrics.ttftMs.p99)) * 10;
  return drawChart({
    title: "Distribution of the time to first token",
    xLabel: "time to first token, seconds",
    yLabel: "% of requests",
    x: logAxis([LEAST_SECONDS, Math.max(1, most / 1000)], X_RANGE),
    y: linearAxis(100, Y_RANGE),
    series: series.map((one) => ({ ...one, points: one.points.filter(([x]) => x * 1000 <= most) })),
    formatX: (value) => `${value}`,
    formatY: (value) => `${value}`,
  });
}

function sweepSection({ sweep, results }: Comparison, styles: ReadonlyMap<string, string>): string {
  const at = (point: SweepPoint | undefined): number[] =>
    results.map(({ name }) => point?.completionMs[name] ?? Infinity);
  const lightest = Math.min(...at(sweep[0]));
  const worst = Math.max(...sweep.flatMap(at));
  const most = Math.min(worst, lightest * SWEEP_HEADROOM) / 1000;
  const fastest = Math.max(...sweep.map(({ requestsPerSecond }) => requestsPerSecond));
  const series = seriesOf(styles, (name) => {
    const points = sweep.map(({ requestsPerSecond, completionMs }) => {
      return [requestsPerSecond, (completionMs[name] ?? 0) / 1000] as const;
    });
    const beyond = points.findIndex(([, y]) => y > most);
    return beyond === -1 ? points : points.slice(0, beyond + 1);
  });
  const chart = drawChart({
    title: "Mean completion time by load",
    xLabel: "requests per second",
    yLabel: "mean completion, seconds",
    x: linearAxis(fastest, X_RANGE),
    y: linearAxis(most, Y_RANGE),
    series,
    formatX: (value) => `${Number(value.toPrecision(3))}`,
    formatY: (value) => `${Number(value.toPrecision(3))}`,
  });
  return `<h2>What load does to completion</h2>\n${chart}`;
}

function seriesOf(
  styles: ReadonlyMap<string, string>,
  pointsOf: (name: string) => Series["points"],
): readonly Series[] {
  return [...styles].map(([name, style]) => ({ name, style, points: pointsOf(name) }));
}

const HEADS = ["policy", "ttft mean", "p50", "p95", "p99", "done mean", "p50", "p95", "p99", "hit %", "loads/h"];

function table({ results, bound }: Comparison, styles: ReadonlyMap<string, string>): string {
  const rows = [...styles.keys()].flatMap((name) => {
    const found = results.find((result) => result.name === name);
    if (found === undefined) return [];
    const { ttftMs, completionMs, hitPercent, loadsPerHour } = found.metrics;
    const cells = [...spread(ttftMs), ...spread(completionMs), hitPercent.toFixed(1), loadsPerHour.toFixed(0)];
    return [row(name, cells, styles.get(name) === "ours" ? "own" : "")];
  });
  const limit = row("no contention (bound)", [...spread(bound.ttftMs), ...spread(bound.completionMs), "", ""], "limit");
  const heads = HEADS.map((head) => `<th>${head}</th>`).join("");
  return `<div class="wide"><table><thead><tr>${heads}</tr></thead><tbody>${rows.join("")}${limit}</tbody></table></div><p>Times in seconds.</p>`;
}

function spread({ mean, p50, p95, p99 }: PolicyResult["metrics"]["ttftMs"]): string[] {
  return [mean, p50, p95, p99].map((ms) => (ms / 1000).toFixed(2));
}

function row(name: string, cells: readonly string[], style: string): string {
  const inner = cells.map((cell) => `<td>${cell}</td>`).join("");
  return `<tr class="${style}"><th>${escapeText(name)}</th>${inner}</tr>`;
}
