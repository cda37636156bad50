// Routes that report progress line by line: pull, push, create.
import type { Exchange } from "../exchange.ts";
import { goJson } from "../go/go-json.ts";
import { Refusal } from "../refusal.ts";

export type ProgressRecord = {
  readonly status: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
};

/** Sends records as they come, or the last one alone; a Refusal on the way becomes an error record once lines have gone. */
export async function sendProgress(
  exchange: Exchange,
  stream: boolean,
  records: AsyncIterable<ProgressRecord>,
): Promise<void> {
  let last: ProgressRecord = { status: "" };
  let begun = false;
  try {
    for await (const record of records) {
      last = record;
      if (!stream) continue;
      if (!begun) exchange.reply.begin("application/x-ndjson");
      begun = true;
      await exchange.reply.record(`${goJson(record)}\n`);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // These routes have set a plain media type before they know.
    const body = goJson({ error: error.message });
    if (!stream) return exchange.reply.whole(error.status, "application/json", body);
    if (!begun) return exchange.reply.wholeInChunks(error.status, "application/json", body);
    await exchange.reply.record(`${goJson({ error: error.message })}\n`);
  }
  if (stream) exchange.reply.end();
  else exchange.reply.whole(200, "application/json", goJson(last));
}

/** Reads the model's name out of `model` or the old `name`. */
export function givenName(given: { readonly model: string; readonly name: string }): string {
  return given.model || given.name;
}
