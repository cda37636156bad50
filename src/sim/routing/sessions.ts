// Generated sessions: agents and readers who come back with all that was said before, over heads they share.
import { drawExponential, drawLogNormal, forkRandom } from "./random.ts";
import type { Random } from "./random.ts";
import type { WorkItem } from "./traces.ts";

export interface SessionSpec {
  readonly seed: number;
  readonly durationMs: number;
  readonly sessionsPerSecond: number;
  readonly model: string;
  /** Blocks of 512 tokens that all sessions of one kind begin with. */
  readonly sharedBlocks: number;
  /** How many kinds there are. */
  readonly heads: number;
  /** A document or a task of this length follows the head, tokens. */
  readonly ownTokens: number;
  /** Mean number of requests in a session. */
  readonly turns: number;
  /** What each further request adds, tokens. */
  readonly turnTokens: number;
  readonly outputTokens: readonly [least: number, most: number];
  /** Mean time between an answer's request and the next, ms. */
  readonly pauseMs: number;
  /** Tells sessions of several generators apart. */
  readonly name: string;
}

const BLOCK_TOKENS = 512;
const LENGTH_VARIATION = 0.6;
/** Room for the blocks of a session; the heads have the numbers below those of all sessions. */
const SESSION_BLOCKS = 4_096;

/** Generates sessions whose requests each begin with all of the one before. */
export function generateSessions(spec: SessionSpec): WorkItem[] {
  const { seed, name, durationMs, sessionsPerSecond } = spec;
  const arrivals = forkRandom(seed, `${name} arrivals`);
  const items: WorkItem[] = [];
  let session = 1;
  for (
    let at = drawExponential(arrivals, 1000 / sessionsPerSecond);
    at < durationMs;
    at += drawExponential(arrivals, 1000 / sessionsPerSecond)
  ) {
    items.push(...oneSession(spec, session, at));
    session += 1;
  }
  return items.sort((a, b) => a.at - b.at);
}

function oneSession(spec: SessionSpec, session: number, startsAt: number): WorkItem[] {
  const { name, seed, model, heads, sharedBlocks, turns, turnTokens, pauseMs, durationMs } = spec;
  const random = forkRandom(seed, `${name} session ${session}`);
  const offset = blockOffset(name);
  const head = Math.floor(random() * heads);
  const blockAt = (index: number): number => {
    if (index < sharedBlocks) return offset + head * sharedBlocks + index;
    return offset + heads * sharedBlocks + session * SESSION_BLOCKS + index;
  };
  const items: WorkItem[] = [];
  let tokens = sharedBlocks * BLOCK_TOKENS + drawLength(random, spec.ownTokens);
  for (let at = startsAt; at < durationMs; at += drawExponential(random, pauseMs)) {
    const blocks = Array.from({ length: Math.ceil(tokens / BLOCK_TOKENS) }, (_, index) => blockAt(index));
    const outputTokens = drawBetween(random, spec.outputTokens);
    const prompt = { tokens, blocks, blockTokens: BLOCK_TOKENS };
    items.push({ at, session: `${name}-${session}`, tenant: name, model, prompt, outputTokens });
    if (random() >= 1 - 1 / turns) break;
    tokens += outputTokens + drawLength(random, turnTokens);
  }
  return items;
}

/** Keeps the blocks of generators apart, below 2^44 so that hashes of parts of blocks stay exact. */
function blockOffset(name: string): number {
  return Math.floor(forkRandom(0, name)() * 2 ** 12) * 2 ** 32;
}

function drawLength(random: Random, mean: number): number {
  return Math.max(1, Math.round(drawLogNormal(random, mean, LENGTH_VARIATION)));
}

function drawBetween(random: Random, [least, most]: readonly [number, number]): number {
  return least + Math.floor(random() * (most - least + 1));
}
