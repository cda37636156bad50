// Sizes for people, as `ollama ls` writes them: two digits that count, and units of a thousand.

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/** `2.0 GB`, `815 MB`, `12 B`. */
export function sizeText(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}
