// Recorded workloads: two published traces read from files, within limits, and thinned to the size of a fleet.
import { readFileSync, statSync } from "node:fs";
import * as z from "zod";
import { forkRandom } from "./random.ts";
import type { Prompt } from "./prompt-cache.ts";

/** One request of a workload. */
export interface WorkItem {
  /** Ms since the start of the workload. */
  readonly at: number;
  readonly session: string;
  readonly tenant: string;
  readonly model: string;
  readonly prompt: Prompt;
  readonly outputTokens: number;
  /** A chat unless given. */
  readonly kind?: "chat" | "embed" | undefined;
  /** The context that the client asks for; what the simulation's rules say unless given. */
  readonly numCtx?: number | undefined;
  /** The limit of the answer that the client sent; none unless given. */
  readonly numPredict?: number | undefined;
  /** How long after asking the client gives up; never unless given. */
  readonly patienceMs?: number | undefined;
}

/** In order of arrival. */
export type Workload = readonly WorkItem[];

export class TraceError extends Error {
  override readonly name = "TraceError";
}

/** The largest published trace of this kind has 3 MB. */
const MAX_FILE_BYTES = 64 * 2 ** 20;
const MAX_ROWS = 1_000_000;
const BLOCK_TOKENS = 512;

const tokens = z.int().nonnegative().max(10_000_000);
const mooncakeRow = z.object({
  timestamp: z.number().nonnegative(),
  input_length: tokens,
  output_length: tokens,
  hash_ids: z.array(z.int().nonnegative()).max(20_000),
});
const azureRow = z.tuple([z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/), z.string(), z.string()]);
const count = z.string().regex(/^\d+$/).transform(Number).pipe(tokens);

/** Reads a Mooncake trace (FAST'25): chained hashes of 512-token blocks; a session is its second block. */
export function readMooncakeTrace(path: string, model: string): WorkItem[] {
  return readLines(path).map((line, index) => {
    const row = parseRow(mooncakeRow, parseJson(line, index), index);
    const { timestamp: at, hash_ids: blocks } = row;
    const session = String(blocks[1] ?? blocks[0] ?? `row-${index}`);
    const prompt = { tokens: Math.max(1, row.input_length), blocks, blockTokens: BLOCK_TOKENS };
    return { at, session, tenant: "trace", model, prompt, outputTokens: Math.max(1, row.output_length) };
  });
}

/** Reads an Azure trace (Splitwise, ISCA'24): token counts only, so that no two prompts share anything. */
export function readAzureTrace(path: string, model: string): WorkItem[] {
  const [header, ...lines] = readLines(path);
  if (header !== "TIMESTAMP,ContextTokens,GeneratedTokens") throw new TraceError("not an Azure LLM inference trace");
  let startedAt: number | undefined;
  return lines.map((line, index) => {
    const [stamp, context, generated] = parseRow(azureRow, line.split(","), index);
    const instant = Date.parse(`${stamp.slice(0, 23).replace(" ", "T")}Z`);
    startedAt ??= instant;
    const prompt = { tokens: Math.max(1, parseRow(count, context, index)), blocks: [index], blockTokens: BLOCK_TOKENS };
    const outputTokens = Math.max(1, parseRow(count, generated, index));
    return {
      at: Math.max(0, instant - startedAt),
      session: `row-${index}`,
      tenant: "trace",
      model,
      prompt,
      outputTokens,
    };
  });
}

/** Keeps a part of the sessions, each whole, so that gaps between turns and reuse stay as they were. */
export function thinSessions(workload: Workload, keep: number, seed: number): WorkItem[] {
  const kept = new Map<string, boolean>();
  return workload.filter(({ session }) => {
    const known = kept.get(session) ?? forkRandom(seed, session)() < keep;
    kept.set(session, known);
    return known;
  });
}

function readLines(path: string): string[] {
  const { size } = statSync(path);
  if (size > MAX_FILE_BYTES) throw new TraceError(`a trace may have ${MAX_FILE_BYTES} bytes, this one has ${size}`);
  const lines = readFileSync(path, "utf8").split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > MAX_ROWS) throw new TraceError(`a trace may have ${MAX_ROWS} rows, this one has ${lines.length}`);
  return lines;
}

function parseJson(line: string, index: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new TraceError(`row ${index + 1} is not JSON`, { cause });
  }
}

function parseRow<T>(schema: z.ZodType<T>, row: unknown, index: number): T {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  throw new TraceError(`row ${index + 1}: ${parsed.error.issues[0]?.message ?? "bad value"}`, { cause: parsed.error });
}
