// Lets Ollama download a model, and follows it: bytes so far, and the words of its failure.
import type { IncomingMessage } from "node:http";
import * as z from "zod";
import { parseJson } from "../call.ts";
import type { OllamaClient } from "../relay/ollama-client.ts";
import { postToOllama } from "../relay/ollama-client.ts";

/** Ollama reports a download several times a second; while it checks a digest of 40 GB it may be silent for minutes. */
const SILENCE_MS = 10 * 60_000;
const LINE_MAX_CHARS = 65_536;

const recordSchema = z.object({
  status: z.string().optional(),
  digest: z.string().optional(),
  total: z.number().nonnegative().optional(),
  completed: z.number().nonnegative().optional(),
  error: z.string().optional(),
});

type Progress = (doneBytes: number, totalBytes: number) => void;

export interface PullWatch {
  readonly signal: AbortSignal;
  readonly onProgress: Progress;
}

/** Downloads a model; rejects with Ollama's own words where it fails, and when the signal fires. */
export async function pullModel(ollama: OllamaClient, model: string, { signal, onProgress }: PullWatch): Promise<void> {
  signal.throwIfAborted();
  const { answer, end } = postToOllama(ollama, {
    path: "/api/pull",
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify({ model, stream: true })),
  });
  const abort = (): void => void end();
  let stalled = false;
  const onSilence = (): void => {
    stalled = true;
    abort();
  };
  const timer = setTimeout(onSilence, SILENCE_MS);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await follow(await answer, onProgress, () => timer.refresh());
  } catch (cause) {
    throw stalled ? new Error("the download has stalled", { cause }) : cause;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

async function follow(answer: IncomingMessage, onProgress: Progress, onRecord: () => void): Promise<void> {
  const layers = new Map<string, { done: number; total: number }>();
  let succeeded = false;
  for await (const line of linesOf(answer)) {
    onRecord();
    const record = recordSchema.safeParse(parseJson(line)).data ?? {};
    if (record.error !== undefined) throw new Error(record.error);
    succeeded ||= record.status === "success";
    if (record.digest === undefined || record.total === undefined) continue;
    layers.set(record.digest, { done: record.completed ?? 0, total: record.total });
    const all = [...layers.values()];
    onProgress(sum(all.map(({ done }) => done)), sum(all.map(({ total }) => total)));
  }
  if (!succeeded) throw new Error(`the download ended early (status ${String(answer.statusCode)})`);
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  answer.setEncoding("utf8");
  for await (const piece of answer as AsyncIterable<string>) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_MAX_CHARS) throw new Error("a record without end");
    for (const line of lines) if (line.trim() !== "") yield line;
  }
  if (rest.trim() !== "") yield rest;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
