// A chart of lines as inline SVG; colours come from the page's style, so that it follows light and dark.
import type { Axis } from "./axis.ts";

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Its class on the page: `ours`, `bound`, or one of the numbered colours. */
  readonly style: string;
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  formatX(value: number): string;
  formatY(value: number): string;
}

export const WIDTH = 760;
export const HEIGHT = 400;
/** Where the lines are drawn. */
export const PLOT = { left: 58, right: 20, top: 16, bottom: 48 };

/** Draws a chart. */
export function drawChart(chart: Chart): string {
  const { x, y, series, title, xLabel, yLabel } = chart;
  const [right, bottom] = [WIDTH - PLOT.right, HEIGHT - PLOT.bottom];
  const grid = [
    ...y.ticks.map((tick) => {
      const at = y.place(tick).toFixed(1);
      const line = `<line class="grid" x1="${PLOT.left}" x2="${right}" y1="${at}" y2="${at}"/>`;
      return `${line}<text class="tick" x="${PLOT.left - 8}" y="${at}" dy="0.32em" text-anchor="end">${escapeText(chart.formatY(tick))}</text>`;
    }),
    ...x.ticks.map((tick) => {
      const at = x.place(tick).toFixed(1);
      const line = `<line class="grid" y1="${PLOT.top}" y2="${bottom}" x1="${at}" x2="${at}"/>`;
      return `${line}<text class="tick" x="${at}" y="${bottom + 18}" text-anchor="middle">${escapeText(chart.formatX(tick))}</text>`;
    }),
  ];
  const middle = (PLOT.top + bottom) / 2;
  const labels = [
    `<text class="label" x="${(PLOT.left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeText(xLabel)}</text>`,
    `<text class="label" transform="translate(14 ${middle}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`,
  ];
  // What matters most is drawn last, on top.
  const lines = series.toReversed().map((one) => drawSeries(one, x, y));
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(title)}">${[...grid, ...labels].join("")}${clip(lines.join(""))}</svg>`;
}

/** Cuts what leaves the plot, a line's own width spared. */
function clip(inner: string): string {
  const [x, y] = [PLOT.left - 2, PLOT.top - 2];
  const [width, height] = [WIDTH - PLOT.right - PLOT.left + 4, HEIGHT - PLOT.bottom - PLOT.top + 4];
  const box = `x="${x}" y="${y}" width="${width}" height="${height}"`;
  return `<svg ${box} viewBox="${x} ${y} ${width} ${height}" overflow="hidden">${inner}</svg>`;
}

function drawSeries({ name, points, style }: Series, x: Axis, y: Axis): string {
  const path = points.map(([px, py]) => `${x.place(px).toFixed(1)},${y.place(py).toFixed(1)}`).join(" ");
  return `<polyline class="line ${style}" points="${path}"><title>${escapeText(name)}</title></polyline>`;
}

/** Makes text safe inside HTML and SVG, in attributes too. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
