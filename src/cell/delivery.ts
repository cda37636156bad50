// Gets the newest order for hosts to its receiver: at once, and again until it is taken, replaced or out of time.
import type { Result } from "../wire/result.ts";
import type { ScaleOrder } from "../wire/scale.ts";
import { logLine } from "../wire/log-line.ts";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

export interface DeliveryDeps {
  readonly post: (order: ScaleOrder) => Promise<Result<true, string>>;
  /** Wakes the cell at an instant, even when it has lost its memory by then. */
  readonly wakeAt: (at: number) => Promise<void>;
  readonly now: () => number;
}

export class Delivery {
  readonly #deps: DeliveryDeps;
  #order: ScaleOrder | undefined;
  #failures = 0;
  #status = "none";

  constructor(deps: DeliveryDeps) {
    this.#deps = deps;
  }

  /** In words: how the delivery of the newest order stands. */
  get status(): string {
    return this.#status;
  }

  /** Delivers an order in place of any before; never rejects. */
  async offer(order: ScaleOrder): Promise<void> {
    this.#order = order;
    this.#failures = 0;
    await this.#attempt(order);
  }

  /** Tries again what has not arrived; `stored` is the last order where the memory of it is lost. */
  async retry(stored: ScaleOrder | undefined): Promise<void> {
    const order = this.#order ?? stored;
    if (order !== undefined && this.#status !== "delivered") await this.#attempt(order);
  }

  async #attempt(order: ScaleOrder): Promise<void> {
    const { post, wakeAt, now } = this.#deps;
    this.#status = "sending";
    const posted = await post(order);
    // Replaced while it was on its way.
    if (this.#order !== undefined && this.#order.id !== order.id) return;
    if (posted.ok) {
      this.#status = "delivered";
      return;
    }
    this.#failures += 1;
    this.#status = `failing: ${posted.error}`;
    console.warn(logLine({ event: "scale-order-failed", order: order.id, reason: posted.error }));
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    // Out of time, it is given anew where it is still wanted.
    if (now() + pauseMs < order.deadline) await wakeAt(now() + pauseMs);
  }
}
