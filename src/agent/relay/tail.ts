// Reads what Ollama says of its work at the end of an answer: counts and durations, or that it failed.
import type { LeaseReport } from "./leases.ts";

// Ollama writes the metrics after everything long in the last record (api/types.go, GenerateResponse).
const TAIL_BYTES = 8 * 1024;
const EVENT_END = "\n\n";
const NANOSECONDS_PER_MS = 1_000_000;

export class Tail {
  private chunks: Buffer[] = [];
  private sizeBytes = 0;
  private events = 0;

  push(chunk: Buffer): void {
    const kept = chunk.length > TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : chunk;
    this.chunks.push(kept);
    this.sizeBytes += kept.length;
    for (let at = chunk.indexOf(EVENT_END); at !== -1; at = chunk.indexOf(EVENT_END, at + 2)) this.events += 1;
    for (;;) {
      const first = this.chunks[0];
      if (first === undefined || this.sizeBytes - first.length < TAIL_BYTES) return;
      this.chunks.shift();
      this.sizeBytes -= first.length;
    }
  }

  /** What the answer's end tells; nothing of it is required. */
  read(status: number): LeaseReport {
    const text = Buffer.concat(this.chunks).toString("latin1");
    const failed = status >= 500 || (status < 400 && endsInError(text));
    return { outcome: failed ? "failed" : "served", ...countsOf(text) };
  }

  /** How many events an event stream had so far; Ollama writes one for each token, and a few around them. */
  countEvents(): number {
    return this.events;
  }
}

function endsInError(text: string): boolean {
  const last = text.trimEnd().split("\n").at(-1) ?? "";
  return /^(?:data: )?\{"error":/.test(last);
}

function countsOf(text: string): Omit<LeaseReport, "outcome"> {
  return {
    ...optional("promptTokens", firstOf(text, ["prompt_eval_count", "prompt_tokens", "input_tokens"])),
    ...optional("promptMs", inMs(lastNumber(text, "prompt_eval_duration"))),
    ...optional("outputTokens", firstOf(text, ["eval_count", "completion_tokens", "output_tokens"])),
    ...optional("outputMs", inMs(lastNumber(text, "eval_duration"))),
    ...optional("loadMs", inMs(lastNumber(text, "load_duration"))),
  };
}

/** The names Ollama, OpenAI and Anthropic have for the same. */
function firstOf(text: string, keys: readonly string[]): number | undefined {
  for (const key of keys) {
    const value = lastNumber(text, key);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Inside a JSON string the quotes are escaped, so that what a model says cannot be taken for a key. */
function lastNumber(text: string, key: string): number | undefined {
  const quoted = `"${key}":`;
  const at = text.lastIndexOf(quoted);
  if (at === -1) return undefined;
  const digits = /^\s*(\d{1,18})/.exec(text.slice(at + quoted.length, at + quoted.length + 24))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function inMs(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : nanoseconds / NANOSECONDS_PER_MS;
}

function optional<Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> {
  if (value === undefined) return {};
  return { [key]: value } as Partial<Record<Key, number>>;
}
