// A number with a unit, as settings write it: `1.5h`, `32MB`.

const NUMBER_AND_UNIT = /^(\d{1,16}(?:\.\d{1,9})?)([A-Za-z]{0,3})$/;

/** Reads text in one of the units into the base unit; undefined unless it is a whole, safe number of them. */
export function readQuantity(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits = "", unit = ""] = NUMBER_AND_UNIT.exec(text.trim()) ?? [];
  const factor = units.get(unit);
  if (digits === "" || factor === undefined) return undefined;
  const amount = Number(digits) * factor;
  // 1.1 * 60000 is not whole in binary: rounding repairs that, but must not turn 0.4ms into nothing.
  const rounded = Math.round(amount);
  return Number.isSafeInteger(rounded) && Math.abs(amount - rounded) < 1e-3 ? rounded : undefined;
}

/** Writes an amount in the first unit, in the map's order, that divides it without rest. */
export function writeQuantity(amount: number, units: ReadonlyMap<string, number>, base: string): string {
  if (amount === 0) return `0${base}`;
  for (const [unit, factor] of units) {
    if (amount % factor === 0) return `${amount / factor}${unit}`;
  }
  return `${amount}${base}`;
}
