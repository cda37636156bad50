// Axes: values to places on a page, and the round values at which to draw a line.

export interface Axis {
  /** The place of a value, in the same unit as the range. */
  place(value: number): number;
  readonly ticks: readonly number[];
}

/** Logarithmic, with ticks at 1, 2 and 5 of every power of ten; values must be above zero. */
export function logAxis([least, most]: readonly [number, number], [from, to]: readonly [number, number]): Axis {
  const low = Math.log10(least);
  const span = Math.max(1e-9, Math.log10(most) - low);
  const ticks: number[] = [];
  for (let power = Math.floor(low); power <= Math.log10(most); power += 1) {
    for (const digit of [1, 2, 5]) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= least * 0.999 && tick <= most * 1.001) ticks.push(tick);
    }
  }
  return {
    ticks:
      ticks.length > 9 ? ticks.filter((tick) => Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6)) : ticks,
    place: (value) => from + ((Math.log10(Math.max(least, value)) - low) / span) * (to - from),
  };
}

/** Linear from zero, with about five ticks. */
export function linearAxis(most: number, [from, to]: readonly [number, number]): Axis {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(Math.max(1e-9, rough)));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough) ?? power * 10;
  const ticks = Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
  return { ticks, place: (value) => from + (value / most) * (to - from) };
}
