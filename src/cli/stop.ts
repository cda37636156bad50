// Ends a long-running command: first signal in order, second one at once, and no child outlives it.
import { constants } from "node:os";
import { CliError, say } from "./terminal.ts";

// npm passes on a Ctrl-C that the terminal has delivered already: what comes this soon is the same one.
const SAME_SIGNAL_MS = 500;

export interface Stoppable {
  /** Ends everything in order. */
  close(): Promise<void>;
  /** Ends everything at once. */
  kill(): void;
}

/**
 * Says that it is ready, then waits for SIGINT, SIGTERM or SIGHUP and closes all; fails with the line of `died`.
 * Signals are heard before anybody is told that it is ready: whoever was told so may send one at once.
 */
export async function runUntilStopped(
  running: Stoppable,
  ready: () => Promise<void>,
  died: Promise<string> = never(),
): Promise<void> {
  const asked = askedToStop(running);
  const reason = await Promise.race([asked, died, ready().then(never<string>)]);
  if (reason === undefined) say("hive: stopping");
  await running.close();
  if (reason !== undefined) throw new CliError(reason);
}

function askedToStop(running: Stoppable): Promise<undefined> {
  let firstAt: number | undefined;
  return new Promise<undefined>((resolve) => {
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
}

function never<Value>(): Promise<Value> {
  return new Promise(() => undefined);
}
