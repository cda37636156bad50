// Writes answers as Go's HTTP server does: short ones with a length, long ones and streams in chunks, a chunk per record.
import type { ServerResponse } from "node:http";
import type { WrongFrames } from "./faults.ts";

export const JSON_TYPE = "application/json; charset=utf-8";

// net/http: bufferBeforeChunkingSize. A longer body has begun to leave before its length is known.
const LONGEST_COUNTED_BYTES = 2048;

export class Reply {
  readonly response: ServerResponse;
  frames: WrongFrames | undefined;
  /** The connection was broken off on this side. */
  died = false;
  private records = 0;

  constructor(response: ServerResponse) {
    this.response = response;
    // Node adds `Connection: keep-alive` and `Keep-Alive`; Go does not.
    if (response.shouldKeepAlive) response.removeHeader("connection");
  }

  get begun(): boolean {
    return this.response.headersSent;
  }

  /** A whole answer that Go flushed before it knew its length. */
  wholeInChunks(status: number, type: string, body: string): void {
    this.response.statusCode = status;
    this.response.setHeader("Content-Type", type);
    this.response.write(body);
    this.response.end();
  }

  /** A whole answer. */
  whole(status: number, type: string | undefined, body: string): void {
    const response = this.response;
    const bytes = Buffer.from(body);
    response.statusCode = status;
    if (type !== undefined) response.setHeader("Content-Type", type);
    const counted = bytes.length > 0 || response.req.method !== "HEAD";
    if (counted && bytes.length <= LONGEST_COUNTED_BYTES) response.setHeader("Content-Length", bytes.length);
    response.end(bytes);
  }

  /** Begins a stream; the header leaves with the first record. */
  begin(type: string): void {
    this.response.statusCode = 200;
    this.response.setHeader("Content-Type", type);
  }

  /** One record, one chunk. A promise means that the reader is behind. */
  record(text: string): Promise<void> | undefined {
    this.records++;
    const wrong = this.frames;
    if (wrong === "bad_json" && this.records === 2)
      return this.write(Buffer.from(`${text.slice(0, text.length / 2)}\n`));
    if (wrong === "single_bytes") return this.pieces(Buffer.from(text), () => true);
    if (wrong === "split_utf8") return this.pieces(Buffer.from(text), (byte) => byte >= 0xc0);
    return this.write(text);
  }

  end(): void {
    if (!this.begun) this.response.flushHeaders();
    this.response.end();
  }

  /** Ends the connection as a machine does that dies: what it had said before has left. */
  async die(): Promise<void> {
    await nextTurn();
    this.died = true;
    this.response.socket?.resetAndDestroy();
  }

  /** Writes in pieces, each ending after a byte that the rule names, and each a packet of its own. */
  private async pieces(bytes: Buffer, endsAfter: (byte: number) => boolean): Promise<void> {
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (at < bytes.length - 1 && !endsAfter(bytes[at] ?? 0)) continue;
      await this.write(bytes.subarray(start, at + 1));
      await nextTurn();
      start = at + 1;
    }
  }

  private write(piece: string | Buffer): Promise<void> | undefined {
    const { response } = this;
    if (response.write(piece) || response.destroyed) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.on("drain", done);
      response.on("close", done);
    });
  }
}

/** Lets the event loop go round: what was written goes out. */
async function nextTurn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
