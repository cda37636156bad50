// Virtual time: actions run in order of their instants, and in order of arrival where instants are equal.

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
  cancelled: boolean;
}

export interface Timer {
  readonly at: number;
  /** Takes the action back; without effect once it has run. */
  cancel(): void;
}

/** A clock that moves only when an action is due. Instants are ms since the start of the simulation. */
export class VirtualTime {
  now = 0;
  readonly #heap: Entry[] = [];
  #scheduled = 0;

  /** Runs an action at an instant; one that has passed already means now. */
  at(instant: number, action: () => void): Timer {
    if (Number.isNaN(instant)) throw new RangeError("an instant must be a number");
    const entry: Entry = { at: Math.max(instant, this.now), order: this.#scheduled, action, cancelled: false };
    this.#scheduled += 1;
    this.#push(entry);
    return {
      at: entry.at,
      cancel: () => {
        entry.cancelled = true;
      },
    };
  }

  /** Runs an action some ms from now. */
  after(delayMs: number, action: () => void): Timer {
    return this.at(this.now + delayMs, action);
  }

  /** Runs the next action that is due by an instant; false if there is none. */
  runNext(until = Infinity): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > until) return false;
      this.#pop();
      if (first.cancelled) continue;
      this.now = first.at;
      first.action();
      return true;
    }
  }

  /** Runs everything that is due by an instant, at which the clock then stands. */
  runUntil(until: number): void {
    while (this.runNext(until));
    this.now = Math.max(this.now, until);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, entry)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = index * 2 + 1;
      const smaller = lesser(heap, left, left + 1);
      const child = heap[smaller];
      if (child === undefined || isBefore(last, child)) break;
      heap[index] = child;
      index = smaller;
    }
    heap[index] = last;
  }
}

function lesser(heap: readonly Entry[], left: number, right: number): number {
  const [a, b] = [heap[left], heap[right]];
  return a !== undefined && b !== undefined && isBefore(b, a) ? right : left;
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
