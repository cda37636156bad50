// What becomes of a runner's requests if nobody else comes: its fluid model run ahead, with or without more.
import { batchingSpeedUp } from "../calibration.ts";
import type { Outlook, TaskLeft } from "../runner.ts";

/** Requests without a slot, in the order in which they get one; the last of them is the newcomer. */
export type Line = readonly TaskLeft[];

export interface Forecast {
  /** Of the newcomer, ms from now; Infinity without one. */
  readonly firstTokenMs: number;
  readonly finishedMs: number;
  /** Sums over all others, ms from now. */
  readonly othersFirstTokenMs: number;
  readonly othersFinishedMs: number;
}

const NO_WORK = 1e-6;

interface Running extends TaskLeft {
  prefillLeft: number;
  decodeLeft: number;
  decoding: boolean;
}

/** Runs ahead; `share` is the part of the device the runner has. */
export function forecast(outlook: Outlook, share: number, line: Line = []): Forecast {
  const course = new Course(outlook, share, line);
  while (course.goesOn) course.next();
  return course;
}

class Course implements Forecast {
  firstTokenMs = Infinity;
  finishedMs = Infinity;
  othersFirstTokenMs = 0;
  othersFinishedMs = 0;
  readonly #outlook: Outlook;
  readonly #share: number;
  readonly #line: Running[];
  readonly #mine: Running | undefined;
  #running: Running[];
  #now = 0;

  constructor(outlook: Outlook, share: number, line: Line) {
    [this.#outlook, this.#share] = [outlook, share];
    this.#line = line.map((task) => ({ ...task }));
    this.#mine = this.#line.at(-1);
    this.#running = outlook.tasks.map((task) => ({ ...task }));
    this.#admit();
  }

  get goesOn(): boolean {
    return this.#running.length > 0;
  }

  /** Goes on until a task ends a phase. */
  next(): void {
    this.#now += advance(this.#running, speedsOf(this.#outlook, this.#share, this.#running));
    for (const task of this.#running) if (!task.decoding && task.prefillLeft <= NO_WORK) this.#read(task);
    const left = this.#running.filter(({ decoding, decodeLeft }) => !decoding || decodeLeft > NO_WORK);
    if (left.length === this.#running.length) return;
    for (const task of this.#running) if (!left.includes(task)) this.#finish(task);
    this.#running = left;
    this.#admit();
  }

  #read(task: Running): void {
    task.decoding = true;
    if (task === this.#mine) this.firstTokenMs = this.#now;
    else this.othersFirstTokenMs += this.#now;
  }

  #finish(task: Running): void {
    if (task === this.#mine) this.finishedMs = this.#now;
    else this.othersFinishedMs += this.#now;
  }

  #admit(): void {
    while (this.#running.length < this.#outlook.parallel) {
      const next = this.#line.shift();
      if (next === undefined) return;
      this.#running.push(next);
      this.#running.sort((a, b) => a.slot - b.slot);
    }
  }
}

interface Speeds {
  /** The task whose prompt is read now. */
  readonly reading: Running | undefined;
  readonly prefill: number;
  readonly decode: readonly number[];
}

/** As the runner itself has it: one prompt at a time in order of slots, and a token per step for the rest meanwhile. */
function speedsOf(
  { prefillPerMs, decodePerMs, batching }: Outlook,
  share: number,
  running: readonly Running[],
): Speeds {
  const reading = running.find(({ decoding }) => !decoding);
  const generating = running.filter(({ decoding }) => decoding).length;
  const free = generating === 0 ? 0 : (decodePerMs * share * batchingSpeedUp(batching, generating)) / generating;
  const prefill = prefillPerMs * share;
  const stepMs = reading === undefined ? 0 : reading.prefillTotal / prefill / reading.prefillSteps;
  const decode = running.map(({ decoding, depthFactor }) => {
    if (!decoding) return 0;
    return reading === undefined ? free : Math.min(free, depthFactor / stepMs);
  });
  return { reading, prefill, decode };
}

/** Goes on until the next task ends a phase; answers after how many ms. */
function advance(running: readonly Running[], { reading, prefill, decode }: Speeds): number {
  let stepMs = reading === undefined ? Infinity : reading.prefillLeft / prefill;
  for (const [index, task] of running.entries()) {
    if (task.decoding) stepMs = Math.min(stepMs, task.decodeLeft / (decode[index] ?? 1));
  }
  stepMs = Math.max(0, stepMs);
  for (const [index, task] of running.entries()) {
    if (task.decoding) task.decodeLeft -= stepMs * (decode[index] ?? 0);
    else if (task === reading) task.prefillLeft -= stepMs * prefill;
  }
  return stepMs;
}
