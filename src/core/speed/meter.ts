// What a level was on average over a stretch of the past: kept as the area under it at each of its changes.

export interface Meter {
  level: number;
  /** Three numbers for each change: its instant, the area up to it, the level from then on. */
  readonly changes: number[];
}

const FIELDS = 3;
/** As many changes are remembered at least; a question about what lies before is answered from the oldest known. */
const REMEMBERED = 128;

/** Makes a meter that stands at zero. */
export function newMeter(now: number): Meter {
  return { level: 0, changes: [now, 0, 0] };
}

/** Records that the level changes now. */
export function setLevel(meter: Meter, level: number, now: number): void {
  if (level === meter.level) return;
  const { changes } = meter;
  const area = areaAt(meter, now);
  meter.level = level;
  changes.push(now, area, level);
  if (changes.length >= 2 * REMEMBERED * FIELDS) changes.splice(0, REMEMBERED * FIELDS);
}

/** Answers the average level between two instants, of which the later is not in the future. */
export function averageLevel(meter: Meter, from: number, to: number): number {
  const since = Math.max(from, meter.changes[0] ?? from);
  return to > since ? (areaAt(meter, to) - areaAt(meter, since)) / (to - since) : meter.level;
}

function areaAt({ changes }: Meter, at: number): number {
  let index = changes.length / FIELDS - 1;
  while (index > 0 && (changes[index * FIELDS] ?? 0) > at) index -= 1;
  const [since = at, area = 0, level = 0] = changes.slice(index * FIELDS, index * FIELDS + FIELDS);
  return area + level * Math.max(0, at - since);
}
