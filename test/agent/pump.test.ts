// Copying an answer keeps nothing of what has gone: half an hour of tokens must not pile up beside its stream.
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import type { LegWriter } from "../../src/agent/relay/leg-writer.ts";
import { pump } from "../../src/agent/relay/pump.ts";

const RECORDS = 60_000;
const RECORD = Buffer.from('{"message":{"content":"word"},"done":false}\n');

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heapMb(): number {
  collect();
  return process.memoryUsage().heapUsed / 1e6;
}

/** An answer whose every record is a chunk of its own, as tokens are. */
function answerOf(records: number): IncomingMessage {
  let sent = 0;
  const read = (): void => void setImmediate(() => answer.push(sent++ < records ? RECORD : null));
  const answer = Object.assign(new Readable({ read }), { complete: true, statusCode: 200 });
  return answer as unknown as IncomingMessage;
}

it("holds no memory for records that have gone", async () => {
  const readings: number[] = [];
  let written = 0;
  const leg = {
    write: async (chunks: readonly Buffer[]): Promise<void> => {
      written += chunks.length;
      if (written % (RECORDS / 3) === 0) readings.push(heapMb());
    },
    end: () => undefined,
  } as unknown as LegWriter;
  const options = { format: "ndjson", stallMs: 60_000, isStructured: () => false, onWhole: () => undefined } as const;
  await pump(answerOf(RECORDS), leg, options);
  expect(written).toBe(RECORDS);
  const [early = 0, , late = 0] = readings;
  // Racing each record against one promise of the whole answer kept 460 bytes of each.
  expect(late - early).toBeLessThan(5);
});
