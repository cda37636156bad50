// What a command says and how it fails: data and secrets on standard output, everything else on standard error.
import type { Result } from "../wire/result.ts";

/** A failure that the user reads as one line; 2 means the command line was wrong, 1 everything else. */
export class CliError extends Error {
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

/** Writes a line for people, to standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes data or a secret, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The value of a result, or its error as the command's failure. */
export function valueOf<Value>(result: Result<Value, string>): Value {
  if (!result.ok) throw new CliError(result.error);
  return result.value;
}
