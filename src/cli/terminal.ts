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

/**
 * What would steer a terminal or turn a line around. Attack: names, digests and errors come from hosts, and tenants' names
 * from their issuers; `ESC ]` in one writes what it likes on the operator's screen.
 */
const STEERING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Text with what would steer a terminal written out (`\\u001b`), which in JSON means the same; lines stay lines. */
export function shown(text: string): string {
  return text.replaceAll(STEERING, (char) => (char === "\n" || char === "\t" ? char : writtenOut(char)));
}

/** The same for text that is to stay within its line. */
export function onOneLine(text: string): string {
  return text.replaceAll(STEERING, writtenOut);
}

function writtenOut(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Writes a line for people, to standard error. */
export function say(line: string): void {
  process.stderr.write(`${shown(line)}\n`);
}

/** Writes data or a secret, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${shown(text)}\n`);
}

/** The value of a result, or its error as the command's failure. */
export function valueOf<Value>(result: Result<Value, string>): Value {
  if (!result.ok) throw new CliError(result.error);
  return result.value;
}
