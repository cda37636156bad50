// A level that follows demand and does not oscillate: up at once, down late, and not below a level whose loss was regretted.

/** How often the time before a decrease may double. */
const MOST_DOUBLINGS = 5;
/** A rise so many holds after a decrease is put down to that decrease. */
const REGRET_HOLDS = 12;
/** A level given up too early is given up again only once the load is surely so much below what it was then. */
const SURELY_LESS = 0.5;
/** After so many holds a level given up too early may be given up again: the day has changed. */
const FLOOR_HOLDS = 36;
/** Smaller decreases than this share are not worth it. */
const WORTH_IT = 0.1;

export interface Steady {
  readonly holdMs: number;
  level: number;
  changedAt: number;
  /** The last decreases, if no increase followed. */
  lowered?:
    | { readonly at: number; readonly from: number; readonly load: number; readonly loadAtMost: number }
    | undefined;
  /** How often a decrease was regretted of late. */
  doublings: number;
  /** The level to which a regretted decrease had to go back, and the load that made it. */
  floor?: { readonly level: number; readonly load: number; readonly at: number; lowSince?: number } | undefined;
  /** Levels and when each was last wished, without those that a later, higher one makes irrelevant. */
  wishes: { readonly at: number; readonly level: number }[];
}

/** Begins at a level; it is not lowered before a hold has passed. */
export function steadyAt(level: number, holdMs: number, now: number): Steady {
  return { holdMs, level, changedAt: now, doublings: 0, wishes: [] };
}

/** The time for which a lower level must have been enough before it is taken, ms. */
export function holdOf(steady: Steady): number {
  return steady.holdMs * 2 ** steady.doublings;
}

export interface Wish {
  /** Needed now. */
  readonly needed: number;
  /** Surely enough. */
  readonly enough: number;
  /** Requests in service on average, as measured. */
  readonly load: number;
  /** The most that it may really be. */
  readonly loadAtMost: number;
  /** The least. */
  readonly loadAtLeast: number;
}

/** Moves the level towards what is wanted and answers it. */
export function follow(steady: Steady, wish: Wish, now: number): number {
  const wished = Math.max(wish.needed, wish.enough);
  while ((steady.wishes.at(-1)?.level ?? Infinity) <= wished) steady.wishes.pop();
  steady.wishes.push({ at: now, level: wished });
  reviewFloor(steady, wish, now);
  if (wish.needed > steady.level) raise(steady, wish, now);
  else settle(steady, wish, now);
  return steady.level;
}

/** The floor goes when the load has been much lower for a whole hold. */
function reviewFloor(steady: Steady, { loadAtMost }: Wish, now: number): void {
  const { floor } = steady;
  if (floor === undefined) return;
  if (loadAtMost >= SURELY_LESS * floor.load) delete floor.lowSince;
  else floor.lowSince ??= now;
  const isLow = floor.lowSince !== undefined && now - floor.lowSince >= holdOf(steady);
  if (isLow || now - floor.at >= FLOOR_HOLDS * steady.holdMs) steady.floor = undefined;
}

function raise(steady: Steady, { needed, loadAtLeast }: Wish, now: number): void {
  const { lowered } = steady;
  const soon = lowered !== undefined && now - lowered.at < REGRET_HOLDS * holdOf(steady);
  if (soon) steady.doublings = Math.min(MOST_DOUBLINGS, steady.doublings + 1);
  if (soon && loadAtLeast < lowered.loadAtMost) {
    steady.floor = { level: Math.max(needed, lowered.from), load: lowered.load, at: now };
  }
  steady.lowered = undefined;
  steady.level = needed;
  steady.changedAt = now;
}

/** Lowers the level to what was enough all the time of a hold. */
function settle(steady: Steady, wish: Wish, now: number): void {
  forgive(steady, now);
  const since = now - holdOf(steady);
  if (steady.changedAt > since) return;
  while ((steady.wishes[0]?.at ?? Infinity) <= since) steady.wishes.shift();
  const enough = Math.max(steady.wishes[0]?.level ?? steady.level, steady.floor?.level ?? 0);
  if (steady.level - enough < Math.max(1, WORTH_IT * steady.level)) return;
  steady.lowered = { at: now, from: steady.level, load: wish.load, loadAtMost: wish.loadAtMost };
  steady.level = enough;
  steady.changedAt = now;
}

/** A decrease that was never regretted proves the shorter time right again. */
function forgive(steady: Steady, now: number): void {
  const { lowered } = steady;
  if (lowered === undefined || steady.doublings === 0) return;
  if (now - lowered.at < REGRET_HOLDS * holdOf(steady)) return;
  steady.doublings -= 1;
  steady.lowered = { ...lowered, at: now };
}
