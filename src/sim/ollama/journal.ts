// Everything the simulated host received, for tests that ask what did and what did not reach it.
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export type ReceivedRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were on the wire. */
  readonly rawHeaders: readonly string[];
  /** Tells connections apart. */
  readonly remotePort: number | undefined;
  bodyBytes: number;
  /** Hex; of the bytes as they came. */
  bodySha256: string;
  /** The beginning of the body. */
  bodyText: string;
  /** Epoch ms. */
  readonly receivedAt: number;
  status: number | undefined;
  /** The client went away before the answer was complete. */
  closedByClient: boolean;
  /** The answer was sent to its end. */
  finished: boolean;
};

const BODY_TEXT_BYTES = 65_536;

export class Journal {
  readonly requests: ReceivedRequest[] = [];
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Adds a request; the oldest ones go when there are too many. */
  open(request: Pick<ReceivedRequest, "method" | "url" | "headers" | "rawHeaders" | "remotePort">): ReceivedRequest {
    const received: ReceivedRequest = {
      ...request,
      bodyBytes: 0,
      bodySha256: "",
      bodyText: "",
      receivedAt: Date.now(),
      status: undefined,
      closedByClient: false,
      finished: false,
    };
    if (this.limit > 0) this.requests.push(received);
    // In one go now and then: taking the first off a long array is slow.
    if (this.requests.length > this.limit * 1.25) this.requests.splice(0, this.requests.length - this.limit);
    return received;
  }

  /** Notes a body that is held whole. */
  noteBody(received: ReceivedRequest, body: Buffer): void {
    if (this.limit === 0) return;
    received.bodyBytes = body.length;
    received.bodySha256 = createHash("sha256").update(body).digest("hex");
    received.bodyText = body.toString("utf8", 0, Math.min(body.length, BODY_TEXT_BYTES));
  }
}
