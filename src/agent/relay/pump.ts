// Copies Ollama's answer to the leg in whole records, and notices when Ollama falls silent in the middle of it.
import type { IncomingMessage } from "node:http";
import { IdleTimer } from "./idle-timer.ts";
import type { LeaseReport } from "./leases.ts";
import type { LegWriter } from "./leg-writer.ts";
import { RecordCutter } from "./records.ts";
import type { RecordFormat } from "./records.ts";
import { Tail } from "./tail.ts";

/** Ollama has said nothing for too long: the host counts as failed. */
export class Stalled extends Error {
  override name = "Stalled";
}

export type PumpOptions = {
  readonly format: RecordFormat;
  readonly stallMs: number;
  /** Ollama's parsers hold back what belongs to a tool call or a format: then it may be silent for twice as long. */
  readonly isStructured: () => boolean;
  /** Records that tell of the end: they go out only when `onWhole` is done. */
  readonly isLast?: (record: Buffer) => boolean;
  /** The answer is whole; called, and waited for, before its last bytes go out. */
  readonly onWhole: (report: LeaseReport, events: number) => void | Promise<void>;
};

/** Resolves at the answer's end; rejects, with the leg unfinished, when Ollama's connection breaks or falls silent. */
export async function pump(answer: IncomingMessage, leg: LegWriter, options: PumpOptions): Promise<void> {
  let isLate = false;
  let giveUp: (why: Stalled) => void = () => undefined;
  const stall = new IdleTimer(options.stallMs, () => {
    if (!isLate && options.isStructured()) isLate = true;
    else giveUp(new Stalled("ollama fell silent"));
  });
  const cutter = new RecordCutter(options.format);
  const tail = new Tail();
  const last: Buffer[] = [];
  // Leaving the loop must not destroy the connection: how it ends is for hangUp to say.
  const chunks: AsyncIterator<Buffer> = answer.iterator({ destroyOnReturn: false });
  // A promise for each wait: racing one that lasts as long as the answer would keep every chunk's reaction until its end.
  const nextChunk = async (): Promise<IteratorResult<Buffer>> =>
    await new Promise((resolve, reject) => {
      giveUp = reject;
      chunks.next().then(resolve, reject);
    });
  try {
    for (;;) {
      const next = await nextChunk();
      if (next.done === true) break;
      stall.hold();
      tail.push(next.value);
      const ready = cutter.push(next.value);
      if (last.length > 0 || (options.isLast !== undefined && ready.some(options.isLast))) last.push(...ready);
      else await leg.write(ready);
      if (cutter.overflowed()) throw new Error("a record without end");
      isLate = false;
      stall.touch();
    }
    if (!answer.complete) throw new Error("the answer broke off");
    stall.stop();
    await options.onWhole(tail.read(answer.statusCode ?? 502), tail.countEvents());
    leg.end([...last, ...cutter.rest()]);
  } finally {
    stall.stop();
    // Unread bytes would hide that Ollama closes its end.
    answer.on("error", () => undefined).resume();
  }
}
