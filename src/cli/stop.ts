// Ends a long-running command: first signal in order, second one at once, and no child outlives it.
import { constants } from "node:os";
import { say } from "./terminal.ts";

// npm passes on a Ctrl-C that the terminal has delivered already: what comes this soon is the same one.
const SAME_SIGNAL_MS = 500;

export interface Stoppable {
  /** Ends everything in order. */
  close(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
}

/** Resolves after SIGINT, SIGTERM or SIGHUP, or with the line of `died`, once all is closed. */
export async function runUntilStopped(running: Stoppable, died: Promise<string>): Promise<string | undefined> {
  let firstAt: number | undefined;
  const asked = new Promise<undefined>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (firstAt === undefined) {
          firstAt = Date.now();
          resolve(undefined);
        } else if (Date.now() - firstAt > SAME_SIGNAL_MS) {
          running.kill();
          process.exit(128 + constants.signals[signal]);
        }
      });
    }
  });
  const reason = await Promise.race([asked, died]);
  if (reason === undefined) say("hive: stopping");
  await running.close();
  return reason;
}
