// What a prompt pushes out of a runner's memory: the oldest of those kept there, some of which would have been gone on from.
import type { PromptCache } from "./prompt-cache.ts";

/** Which part of the prompts of a model go on from one that is still held. */
export interface Reuse {
  value: number;
  samples: number;
}

const FLOOR = 0.01;
/** So old a prompt is gone on from as often as a new one, twice as old half as often. Tuned in the simulator. */
const FRESH_MS = 60_000;

/** Takes whether a prompt went on from one that was held. */
export function learnReuse(reuse: Reuse, isReused: boolean): void {
  reuse.samples += 1;
  reuse.value += Math.max(FLOOR, 1 / reuse.samples) * ((isReused ? 1 : 0) - reuse.value);
}

/** Counts the tokens that later prompts are expected to have to read again once so many new ones are held. */
export function tokensDisplaced({ saved, room }: PromptCache, added: number, reuse: number, now: number): number {
  const [oldest] = saved;
  if (reuse === 0 || oldest === undefined || added <= room) return 0;
  const displaced = Math.min(added, added - room);
  return reuse * displaced * Math.min(1, FRESH_MS / (now - oldest.readAt));
}
