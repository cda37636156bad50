// Cuts a stream at the ends of its records, so that a host's death never leaves half a record with the client.

export type RecordFormat = "ndjson" | "sse" | "opaque";

const NEWLINE = 0x0a;
// A record longer than this is a broken host, not an answer.
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** How a body of this media type is divided. */
export function recordFormatOf(contentType: string | undefined): RecordFormat {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/x-ndjson") return "ndjson";
  return type === "text/event-stream" ? "sse" : "opaque";
}

export class RecordCutter {
  private readonly format: RecordFormat;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private lastByte = 0;

  constructor(format: RecordFormat) {
    this.format = format;
  }

  /** The bytes that may go on now: up to the end of the last whole record. */
  push(chunk: Buffer): readonly Buffer[] {
    if (this.format === "opaque" || chunk.length === 0) return [chunk];
    const end = this.format === "ndjson" ? chunk.lastIndexOf(NEWLINE) + 1 : this.endOfEvent(chunk);
    this.lastByte = chunk[chunk.length - 1] ?? 0;
    if (end === 0) {
      this.hold(chunk);
      return [];
    }
    const ready = [...this.held, chunk.subarray(0, end)];
    this.held = [];
    this.heldBytes = 0;
    if (end < chunk.length) this.hold(chunk.subarray(end));
    return ready;
  }

  /** What is left after a clean end. */
  rest(): readonly Buffer[] {
    return this.held;
  }

  /** True when a record grows beyond all measure. */
  overflowed(): boolean {
    return this.heldBytes > MAX_HELD_BYTES;
  }

  /** An event ends with an empty line, which may lie across two chunks. */
  private endOfEvent(chunk: Buffer): number {
    const at = chunk.lastIndexOf("\n\n");
    if (at !== -1) return at + 2;
    return this.lastByte === NEWLINE && chunk[0] === NEWLINE && this.heldBytes > 0 ? 1 : 0;
  }

  private hold(chunk: Buffer): void {
    this.held.push(chunk);
    this.heldBytes += chunk.length;
  }
}
