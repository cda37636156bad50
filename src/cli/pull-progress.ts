// The progress of a pull on each host: a bar each on a terminal, a line for each step elsewhere.
import * as z from "zod";
import { sizeText } from "./size-text.ts";
import { onOneLine } from "./terminal.ts";

/** A record of `/api/pull` with the header `hive-progress: hosts`. */
const recordSchema = z.looseObject({
  host: z.string().optional(),
  status: z.string().optional(),
  digest: z.string().optional(),
  total: z.number().optional(),
  completed: z.number().optional(),
  error: z.string().optional(),
});
export type PullRecord = z.infer<typeof recordSchema>;

const BAR_WIDTH = 24;

interface HostProgress {
  status: string;
  readonly layers: Map<string, { readonly total: number; readonly completed: number }>;
}

/** What each host has reported so far. */
export class PullProgress {
  readonly #hosts = new Map<string, HostProgress>();
  #error: string | undefined;

  /** The error the edge has ended with, if any. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Takes a line of the answer; answers the host that took a step, where it is a new one. */
  take(line: string): string | undefined {
    const record = parse(line);
    if (record === undefined) return undefined;
    if (record.host === undefined) {
      this.#error = record.error;
      return undefined;
    }
    const progress = this.#hosts.get(record.host) ?? { status: "", layers: new Map() };
    this.#hosts.set(record.host, progress);
    if (record.digest !== undefined && record.total !== undefined)
      progress.layers.set(record.digest, { total: record.total, completed: record.completed ?? 0 });
    const status = record.error === undefined ? (record.status ?? "") : `failed: ${record.error}`;
    if (status === progress.status) return undefined;
    progress.status = status;
    return record.host;
  }

  /** One line per host: id, bar, bytes, what it does. */
  lines(): string[] {
    const width = Math.max(0, ...[...this.#hosts.keys()].map((id) => id.length));
    return [...this.#hosts].map(([id, progress]) => onOneLine(`${id.padEnd(width)}  ${describe(progress)}`));
  }

  /** The same for one host. */
  line(id: string): string {
    const progress = this.#hosts.get(id);
    return onOneLine(progress === undefined ? id : `${id}: ${progress.status}`);
  }
}

function describe({ status, layers }: HostProgress): string {
  const all = [...layers.values()];
  const total = all.reduce((sum, layer) => sum + layer.total, 0);
  const completed = all.reduce((sum, layer) => sum + layer.completed, 0);
  if (total === 0) return status;
  const filled = Math.round((completed / total) * BAR_WIDTH);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const percent = String(Math.floor((completed / total) * 100)).padStart(3);
  return `${bar} ${percent} %  ${sizeText(completed)}/${sizeText(total)}  ${status}`;
}

function parse(line: string): PullRecord | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
