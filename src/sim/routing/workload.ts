// Generated workloads: arrivals × prompts × models, from a seed.
import { drawExponential, drawLogNormal, drawZipf, forkRandom } from "./random.ts";
import type { Random } from "./random.ts";
import type { WorkItem } from "./traces.ts";

/** One model, or several with the shares of Zipf's law, the first being the most asked for. */
export interface WorkloadSpec {
  readonly seed: number;
  readonly durationMs: number;
  readonly requestsPerSecond: number;
  /** Coefficient of variation of the gaps between arrivals: 1 is Poisson, 13 the bursts of code completion. */
  readonly variation?: number | undefined;
  readonly models: readonly string[];
  readonly zipfExponent?: number | undefined;
  readonly tenants?: readonly string[] | undefined;
  readonly prompts: PromptShape;
}

export type PromptShape =
  | { readonly type: "chat"; readonly promptTokens: number; readonly outputTokens: number }
  /** Prompts with a long head in common and short answers, as agents make them. */
  | {
      readonly type: "agentic";
      readonly sharedBlocks: number;
      /** How many different heads there are. */
      readonly heads: number;
      readonly outputTokens: readonly [least: number, most: number];
    };

const BLOCK_TOKENS = 512;
/** Lengths in recorded conversations vary about as much as their mean. */
const LENGTH_VARIATION = 1;
/** What an agent adds to the head it shares with its other requests, tokens. */
const OWN_TOKENS = 300;

/** A 12-block prompt of about 6.1 k tokens with answers of 3-50 tokens. */
export const TOOL_AGENT: PromptShape = { type: "agentic", sharedBlocks: 12, heads: 4, outputTokens: [3, 50] };
/** A 5-block prompt with answers of about 20 tokens. */
export const SHORT_AGENT: PromptShape = { type: "agentic", sharedBlocks: 5, heads: 4, outputTokens: [15, 25] };

/** Generates a workload; each of its dimensions has a sequence of its own, so that changing one leaves the others. */
export function generateWorkload(spec: WorkloadSpec): WorkItem[] {
  const { seed, durationMs, models, prompts, variation = 1, zipfExponent = 1, tenants = ["tenant"] } = spec;
  const [gaps, picks, lengths, owners] = ["gaps", "models", "prompts", "tenants"].map((name) => forkRandom(seed, name));
  if (gaps === undefined || picks === undefined || lengths === undefined || owners === undefined) return [];
  const meanGapMs = 1000 / spec.requestsPerSecond;
  const items: WorkItem[] = [];
  for (let at = drawGap(gaps, meanGapMs, variation); at < durationMs; at += drawGap(gaps, meanGapMs, variation)) {
    const model = models[drawZipf(picks, models.length, zipfExponent)] ?? "";
    const tenant = tenants[Math.floor(owners() * tenants.length)] ?? "";
    items.push({
      at,
      session: `request-${items.length}`,
      tenant,
      model,
      ...drawRequest(lengths, prompts, items.length),
    });
  }
  return items;
}

/** Draws from two exponentials with balanced means, which have any variation from 1 up exactly. */
function drawGap(random: Random, mean: number, variation: number): number {
  if (variation < 1) throw new RangeError("gaps vary at least as a Poisson process does");
  const square = variation ** 2;
  const often = (1 + Math.sqrt((square - 1) / (square + 1))) / 2;
  const chance = random() < often ? often : 1 - often;
  return drawExponential(random, mean / (2 * chance));
}

function drawRequest(random: Random, shape: PromptShape, index: number): Pick<WorkItem, "prompt" | "outputTokens"> {
  switch (shape.type) {
    case "chat": {
      const tokens = drawLength(random, shape.promptTokens);
      const outputTokens = drawLength(random, shape.outputTokens);
      return { prompt: { tokens, blocks: [index], blockTokens: BLOCK_TOKENS }, outputTokens };
    }
    case "agentic": {
      const head = Math.floor(random() * shape.heads);
      const shared = Array.from({ length: shape.sharedBlocks }, (_, block) => -1 - head * shape.sharedBlocks - block);
      const tokens = shape.sharedBlocks * BLOCK_TOKENS + drawLength(random, OWN_TOKENS);
      const [least, most] = shape.outputTokens;
      const outputTokens = least + Math.floor(random() * (most - least + 1));
      return { prompt: { tokens, blocks: [...shared, index], blockTokens: BLOCK_TOKENS }, outputTokens };
    }
  }
}

function drawLength(random: Random, mean: number): number {
  return Math.max(1, Math.round(drawLogNormal(random, mean, LENGTH_VARIATION)));
}
