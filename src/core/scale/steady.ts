// A level that follows demand and does not oscillate: up at once, down only once less is surely enough, and after that up
// again only once more is surely needed. A load that stays as it is lies between what it surely is at least and at most,
// so that what is given up under it is never taken back.

/** The time before a decrease doubles with each that is regretted, up to so many times what it was. */
const LONGEST_HOLDS = 32;
/** A rise so many holds after a decrease is put down to that decrease, and remembered for as long. */
const REGRET_HOLDS = 12;
/** Smaller decreases than this share are not worth it. */
const WORTH_IT = 0.1;

export interface Steady {
  readonly holdMs: number;
  level: number;
  changedAt: number;
  /** The last decrease, if no increase followed. */
  lowered?: { readonly at: number; readonly patience: number } | undefined;
  /** The longer time before a decrease that holds since one was regretted. */
  regret?: { readonly holdMs: number; readonly until: number } | undefined;
  /** Levels and when each was last wished, without those that a later, higher one makes irrelevant. */
  wishes: { readonly at: number; readonly level: number; readonly patience: number }[];
}

/** Begins at a level; it is not lowered before a hold has passed. */
export function steadyAt(level: number, holdMs: number, now: number): Steady {
  return { holdMs, level, changedAt: now, wishes: [] };
}

/** The time for which a lower level must have been enough before it is taken, ms. */
function holdAt({ holdMs, regret }: Steady, now: number): number {
  return regret !== undefined && now < regret.until ? regret.holdMs : holdMs;
}

export interface Wish {
  /** Needed for the load as measured, and to work off those who wait too long already. */
  readonly needed: number;
  /** Needed for the least that the load surely is; with half the caution where too many wait too long. */
  readonly surely: number;
  /** Enough for the most that it may be. */
  readonly enough: number;
  /** Requests that wait longer than wanted. */
  readonly overdue: number;
  /** How many of them may be chance with what is enough. */
  readonly patience: number;
  /** Since when the load has not changed, as far as can be told. */
  readonly steadySince: number;
}

/** Moves the level towards what is wanted and answers it. */
export function follow(steady: Steady, wish: Wish, now: number): number {
  const wished = Math.max(wish.needed, wish.enough);
  while ((steady.wishes.at(-1)?.level ?? Infinity) <= wished) steady.wishes.pop();
  steady.wishes.push({ at: now, level: wished, patience: wish.patience });
  const needed = isNews(steady, wish) ? wish.needed : wish.surely;
  if (needed > steady.level) raise(steady, needed, now);
  else settle(steady, now);
  return steady.level;
}

/** Whether there is more to it than the chance that the last decrease has allowed for. */
function isNews({ lowered, level }: Steady, { overdue, steadySince }: Wish): boolean {
  return lowered === undefined || level === 0 || steadySince > lowered.at || overdue > lowered.patience;
}

function raise(steady: Steady, needed: number, now: number): void {
  const { lowered } = steady;
  const holdMs = holdAt(steady, now);
  if (lowered !== undefined && now - lowered.at < REGRET_HOLDS * holdMs) {
    const longerMs = Math.min(LONGEST_HOLDS * steady.holdMs, 2 * holdMs);
    steady.regret = { holdMs: longerMs, until: now + REGRET_HOLDS * longerMs };
  }
  steady.lowered = undefined;
  steady.level = needed;
  steady.changedAt = now;
}

/** Lowers the level to what was enough all the time of a hold. */
function settle(steady: Steady, now: number): void {
  const since = now - holdAt(steady, now);
  if (steady.changedAt > since) return;
  while ((steady.wishes[0]?.at ?? Infinity) <= since) steady.wishes.shift();
  const [most] = steady.wishes;
  if (most === undefined || steady.level - most.level < Math.max(1, WORTH_IT * steady.level)) return;
  steady.lowered = { at: now, patience: most.patience };
  steady.level = most.level;
  steady.changedAt = now;
}
