// What fills silence on the leg, and where it must not.
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { LegWriter } from "../../src/agent/relay/leg-writer.ts";
import { until } from "./fixture.ts";

const KEEP_ALIVE_MS = 20;

/** A leg on a real socket: its writer and what the edge has received of it. */
async function startLeg(): Promise<{ writer: LegWriter; received: () => string } & AsyncDisposable> {
  let text = "";
  const accepted = Promise.withResolvers<LegWriter>();
  const server = createServer((_request, response) => {
    accepted.resolve(new LegWriter(response, KEEP_ALIVE_MS, () => undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  get({ port: (server.address() as AddressInfo).port }, (answer) => {
    answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  });
  const writer = await accepted.promise;
  return {
    writer,
    received: () => text,
    [Symbol.asyncDispose]: async () => {
      writer.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

it.each([
  { format: "ndjson", record: '{"done":false}\n', filler: " ", last: '{"done":true}\n' },
  { format: "sse", record: 'data: {"choices":[]}\n\n', filler: ":\n\n", last: "data: [DONE]\n\n" },
  { format: "sse", record: "event: ping\n\n", filler: ":\n\n", last: "event: message_stop\ndata: {}\n\n" },
] as const)("fills silence between two $format records, and not after the last", async (shape) => {
  await using leg = await startLeg();
  leg.writer.head({ status: 200, headers: {} }, shape.format);
  await leg.writer.write([Buffer.from(shape.record)]);
  await until("silence is filled", () => leg.received().includes(`${shape.record}${shape.filler}`));
  await leg.writer.write([Buffer.from(shape.last)]);
  await until("the last record is there", () => leg.received().endsWith(shape.last));
  await new Promise((resolve) => setTimeout(resolve, KEEP_ALIVE_MS * 4));
  expect(leg.received().endsWith(shape.last)).toBe(true);
});
