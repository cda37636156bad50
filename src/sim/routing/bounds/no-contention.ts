// The no-contention bound: every request alone on its best host, the model in memory and everything ever read cached.
import { decodeRate, decodeWork, prefillRate, prefillWork } from "../calibration.ts";
import type { ModelKind } from "../calibration.ts";
import type { HostSpec } from "../host-spec.ts";
import { spreadOf } from "../metrics.ts";
import type { Spread } from "../metrics.ts";
import type { Workload, WorkItem } from "../traces.ts";

export interface Bound {
  readonly ttftMs: Spread;
  readonly completionMs: Spread;
}

/** Computes times that no router can beat, for no router makes a host faster. */
export function noContention(workload: Workload, fleet: readonly HostSpec[]): Bound {
  const seen = new Map<string, Set<number>>();
  const [ttftMs, completionMs]: [number[], number[]] = [[], []];
  for (const item of workload) {
    const read = seen.get(item.model) ?? new Set<number>();
    seen.set(item.model, read);
    const cached = matched(read, item);
    for (const block of item.prompt.blocks) read.add(block);
    const times = fleet.flatMap((host) => {
      const model = host.models.find(({ name }) => name === item.model);
      return model === undefined ? [] : [alone(host, model, item, cached)];
    });
    ttftMs.push(Math.min(...times.map(({ first }) => first)));
    completionMs.push(Math.min(...times.map(({ all }) => all)));
  }
  return { ttftMs: spreadOf(ttftMs), completionMs: spreadOf(completionMs) };
}

function matched(read: ReadonlySet<number>, { prompt: { blocks, blockTokens, tokens } }: WorkItem): number {
  let count = 0;
  while (count < blocks.length && read.has(blocks[count] ?? Number.NaN)) count += 1;
  return Math.min(tokens - 1, count * blockTokens);
}

function alone(
  { kind }: HostSpec,
  model: ModelKind,
  { prompt, outputTokens }: WorkItem,
  cached: number,
): { readonly first: number; readonly all: number } {
  const first = (1000 * prefillWork(prompt.tokens - cached, cached)) / prefillRate(kind, model);
  const rest = (1000 * decodeWork(Math.max(0, outputTokens - 1), prompt.tokens)) / decodeRate(kind, model);
  return { first, all: first + rest };
}
