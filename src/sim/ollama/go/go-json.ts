// JSON and times as Go writes them.

const UNSAFE = /[<>&\u2028\u2029]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** json.Marshal: like JSON.stringify, with the characters that HTML minds escaped. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.search(UNSAFE) === -1 ? text : text.replaceAll(UNSAFE, (char) => ESCAPES[char] ?? char);
}

/** json.Marshal of a map: keys in order of their bytes, at every depth. */
export function goSortedJson(value: unknown): string {
  return goJson(sortKeys(value));
}

/** The same value with the keys of all its objects in order. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]));
}

/** Go's %q for the texts that stand in Ollama's errors. */
export function goQuote(text: string): string {
  return JSON.stringify(text);
}

/** An instant in RFC 3339 with as many digits as it has, in UTC; takes fractions of a millisecond. */
export function goTime(atMs: number): string {
  const second = Math.floor(atMs / 1000);
  const nanos = Math.min(999_999_999, Math.round((atMs - second * 1000) * 1e6));
  const whole = new Date(second * 1000).toISOString().slice(0, 19);
  if (nanos === 0) return `${whole}Z`;
  return `${whole}.${String(nanos).padStart(9, "0").replace(/0+$/, "")}Z`;
}

/** A number that JSON shows as a float32 would be shown: nine significant digits at most, fewer where they suffice. */
export function float32Text(value: number): number {
  const exact = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(exact.toPrecision(digits));
    if (Math.fround(short) === exact) return short;
  }
  return Number(exact.toPrecision(9));
}
