// The edge's side of a relayed request: accepted at once, never silent, one head line, then whole records.
import type { ServerResponse } from "node:http";
import { LEG_CONTENT_TYPE, LEG_HEAD_MAX_BYTES } from "../../wire/leg.ts";
import type { LegHead, LegStatus } from "../../wire/leg.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { RecordFormat } from "./records.ts";

/** What may stand between two records without any client noticing: a comment, or space before the next JSON value. */
const FILLERS: Readonly<Record<RecordFormat, string>> = { ndjson: " ", sse: ":\n\n", opaque: "" };
/** Begin or stand in the last record of each API; inside a JSON string quotes and line ends would be escaped. */
const FINAL_MARKS: Readonly<Record<RecordFormat, readonly string[]>> = {
  ndjson: ['"done":true'],
  sse: ["data: [DONE]\n", "event: message_stop\n", "event: response.completed\n"],
  opaque: [],
};

export class LegWriter {
  readonly #response: ServerResponse;
  readonly #status: () => string | undefined;
  readonly #silence: IdleTimer;
  #format: RecordFormat | undefined;

  /** Accepts the request. `status` says what it waits for, if for anything. */
  constructor(response: ServerResponse, keepAliveMs: number, status: () => string | undefined) {
    this.#response = response;
    this.#status = status;
    response.writeHead(200, { "content-type": LEG_CONTENT_TYPE, "cache-control": "no-transform" });
    response.flushHeaders();
    this.#silence = new IdleTimer(keepAliveMs, () => this.#fill());
  }

  get headSent(): boolean {
    return this.#format !== undefined;
  }

  /** Sends the head line; from now on nothing but records of this format may follow. */
  head(head: LegHead, format: RecordFormat): void {
    this.#format = format;
    this.#response.write(headLine(head));
    this.#silence.touch();
  }

  /** Sends whole records, and waits where the edge reads more slowly than Ollama writes. */
  async write(chunks: readonly Buffer[]): Promise<void> {
    const response = this.#response;
    let flowing = true;
    for (const chunk of chunks) flowing = response.write(chunk);
    const last = chunks.at(-1);
    if (last !== undefined) this.#silence.touch();
    // After the last value no filler may follow: a client would read it as one value more.
    if (last !== undefined && this.#isFinal(last)) this.#silence.hold();
    if (response.destroyed) throw new Error("the edge is gone");
    if (!flowing) await drained(response);
  }

  end(chunks: readonly Buffer[] = []): void {
    this.#silence.stop();
    for (const chunk of chunks) this.#response.write(chunk);
    this.#response.end();
  }

  /** Breaks the connection off: the edge must not take what it has for an answer. */
  destroy(): void {
    this.#silence.stop();
    this.#response.destroy();
  }

  #isFinal(chunk: Buffer): boolean {
    return this.#format !== undefined && FINAL_MARKS[this.#format].some((mark) => chunk.includes(mark));
  }

  #fill(): void {
    // What is not read yet is no silence.
    if (this.#response.destroyed || this.#response.writableNeedDrain) return;
    this.#response.write(this.#format === undefined ? this.#waitingLine() : FILLERS[this.#format]);
  }

  #waitingLine(): string {
    const status = this.#status();
    return status === undefined ? "\n" : `${JSON.stringify({ "hive-status": status } satisfies LegStatus)}\n`;
  }
}

function headLine(head: LegHead): string {
  const line = `${JSON.stringify(head)}\n`;
  if (Buffer.byteLength(line) <= LEG_HEAD_MAX_BYTES) return line;
  return `${JSON.stringify({ status: 502, headers: {}, failure: "ollama: header too long" } satisfies LegHead)}\n`;
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      response.off("drain", settle);
      response.off("close", settle);
      if (response.destroyed) reject(new Error("the edge is gone"));
      else resolve();
    };
    response.once("drain", settle);
    response.once("close", settle);
  });
}
