// The device of a host: busy runners share it in equal parts, and progress is worked out only when something changes.
import type { Runner } from "./runner.ts";
import type { Timer, VirtualTime } from "./virtual-time.ts";

export class Device {
  readonly #time: VirtualTime;
  readonly #runners = new Set<Runner>();
  #advancedAt: number;
  #next: Timer | undefined;

  constructor(time: VirtualTime) {
    this.#time = time;
    this.#advancedAt = time.now;
  }

  add(runner: Runner): void {
    this.#runners.add(runner);
  }

  /** Takes an idle runner away. */
  remove(runner: Runner): void {
    this.#runners.delete(runner);
  }

  /** Changes what runners do: what they did so far is counted first, and what comes next is planned after. */
  change(action: () => void): void {
    this.#advance();
    action();
    this.#plan();
  }

  /** Stops for good: what its runners do is nobody's any more. */
  stop(): void {
    this.#next?.cancel();
    this.#runners.clear();
  }

  /** Counts what runners did so far, for those who look into them. */
  catchUp(): void {
    this.#advance();
  }

  /** The part of the device that each busy runner has. */
  get share(): number {
    let busy = 0;
    for (const runner of this.#runners) if (!runner.idle) busy += 1;
    return 1 / Math.max(1, busy);
  }

  #advance(): void {
    const elapsedMs = this.#time.now - this.#advancedAt;
    this.#advancedAt = this.#time.now;
    if (elapsedMs === 0) return;
    const { share } = this;
    for (const runner of this.#runners) runner.advance(elapsedMs, share);
  }

  #plan(): void {
    this.#next?.cancel();
    const { share } = this;
    let untilMs = Infinity;
    for (const runner of this.#runners) untilMs = Math.min(untilMs, runner.untilNextMs(share));
    if (untilMs === Infinity) return;
    this.#next = this.#time.after(untilMs, () => {
      this.change(() => {
        for (const runner of this.#runners) runner.settle(this.#time.now);
      });
    });
  }
}
