// The progress of several hosts as that of one: a layer is as far as its slowest host, and success is the success of all.
import * as z from "zod";
import type { OpenLeg } from "../leg/leg-head.ts";
import { goJson } from "../go-json.ts";
import type { HostAnswer } from "./model-work.ts";

const progressSchema = z.looseObject({
  status: z.string().optional(),
  digest: z.string().optional(),
  total: z.number().optional(),
  completed: z.number().optional(),
  error: z.string().optional(),
});
type ProgressRecord = z.infer<typeof progressSchema>;

/** Longest line of progress, far above what Ollama writes. */
const LINE_MAX_CHARS = 16_384;
/** Most that is remembered of what hosts say: one that makes up steps and layers must not fill the isolate. */
const REMEMBERED_MAX = 500;
const LOST = "the host stopped answering; its work may not be done";

export interface MergeOptions {
  /** Every host's own records, with its id, instead of one stream as of one Ollama. */
  readonly perHost: boolean;
  /** A byte at least this often, whatever the hosts say. */
  readonly keepAliveMs: number;
  /** The client has left. */
  readonly onLeft: () => void;
}

/** NDJSON as Ollama streams it, and a promise that it has ended. */
export function mergeProgress(
  answers: readonly HostAnswer[],
  { perHost, keepAliveMs, onLeft }: MergeOptions,
): { body: ReadableStream<Uint8Array>; ended: Promise<void> } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const write = async (record: object): Promise<void> => await writer.write(encoder.encode(`${goJson(record)}\n`));
  const merged = new Progress(answers.map(({ hostId }) => hostId));
  const follow = async ({ hostId, leg }: HostAnswer): Promise<void> => {
    for await (const record of recordsOf(leg)) {
      const shown = merged.take(hostId, record);
      if (perHost) await write({ ...record, host: hostId });
      else if (shown !== undefined) await write(shown);
    }
    merged.end(hostId);
  };
  const run = async (): Promise<void> => {
    // Space before the next record, which no client notices: hosts may verify a large file for longer than a client waits.
    const filler = setInterval(() => void writer.write(encoder.encode(" ")).catch(onLeft), keepAliveMs);
    try {
      await Promise.all(answers.map(follow));
      await write(merged.conclusion());
      await writer.close();
    } catch {
      onLeft();
      await writer.abort().catch(() => undefined);
    } finally {
      clearInterval(filler);
    }
  };
  return { body: readable, ended: run() };
}

/** What all hosts together have reported. */
export class Progress {
  readonly #hosts: readonly string[];
  readonly #ended = new Set<string>();
  readonly #failures = new Map<string, string>();
  readonly #succeeded = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #layers = new Map<string, { readonly completed: Map<string, number>; shown: number }>();

  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
  }

  /** Takes a record of a host; answers what the client is told now, if anything. */
  take(hostId: string, record: ProgressRecord): ProgressRecord | undefined {
    if (record.error !== undefined) this.#failures.set(hostId, record.error);
    if (record.status === "success") this.#succeeded.add(hostId);
    if (record.error !== undefined || record.status === "success") return undefined;
    if (record.digest !== undefined && record.total !== undefined) return this.#takeLayer(hostId, record);
    const text = JSON.stringify(record);
    if (this.#seen.has(text)) return undefined;
    if (this.#seen.size >= REMEMBERED_MAX) this.#seen.clear();
    this.#seen.add(text);
    return record;
  }

  /** The host will report nothing more. */
  end(hostId: string): void {
    this.#ended.add(hostId);
    if (!this.#succeeded.has(hostId) && !this.#failures.has(hostId)) this.#failures.set(hostId, LOST);
  }

  /** The last record: success, or what went wrong, and where if not everywhere alike. */
  conclusion(): ProgressRecord {
    const errors = [...new Set(this.#failures.values())];
    const [first] = errors;
    if (first === undefined) return { status: "success" };
    if (errors.length === 1 && this.#failures.size === this.#hosts.length) return { error: first };
    return { error: [...this.#failures].map(([hostId, error]) => `${hostId}: ${error}`).join("; ") };
  }

  #takeLayer(hostId: string, record: ProgressRecord): ProgressRecord | undefined {
    const key = `${record.status ?? ""} ${record.digest ?? ""}`;
    const layer = this.#layers.get(key) ?? { completed: new Map<string, number>(), shown: -1 };
    if (!this.#layers.has(key) && this.#layers.size >= REMEMBERED_MAX) return undefined;
    this.#layers.set(key, layer);
    layer.completed.set(hostId, record.completed ?? 0);
    const atWork = this.#hosts.filter((host) => !this.#ended.has(host) && !this.#isDone(host));
    const completed = Math.min(...atWork.map((host) => layer.completed.get(host) ?? 0));
    if (completed <= layer.shown) return undefined;
    layer.shown = completed;
    const { completed: _own, ...rest } = record;
    // Ollama leaves out a zero.
    return completed === 0 ? rest : { ...rest, completed };
  }

  #isDone(hostId: string): boolean {
    return this.#succeeded.has(hostId) || this.#failures.has(hostId);
  }
}

async function* recordsOf(leg: HostAnswer["leg"]): AsyncGenerator<ProgressRecord> {
  if (!leg.ok) {
    yield { error: leg.error };
    return;
  }
  for await (const line of linesOf(leg.value)) {
    const record = parse(line);
    if (record !== undefined) yield record;
  }
}

/** Lines as they come; a leg that breaks just ends, which without success is a failure. */
async function* linesOf({ leftover, rest }: OpenLeg): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = decoder.decode(leftover, { stream: true });
  const reader = rest.getReader();
  for (;;) {
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    if ([text, ...lines].some((line) => line.length > LINE_MAX_CHARS)) return await reader.cancel("a line without end");
    yield* lines;
    const part = await reader.read().catch(() => undefined);
    if (part === undefined || part.done) break;
    text += decoder.decode(part.value, { stream: true });
  }
  if (text.trim() !== "") yield text;
}

function parse(line: string): ProgressRecord | undefined {
  try {
    return progressSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
