// The scenarios of the benchmark (A-F, N = 1, the single host): a fleet and a workload for each seed.
import { MODEL_KINDS } from "./calibration.ts";
import type { ModelKindName } from "./calibration.ts";
import { buildFleet } from "./fleets.ts";
import type { FleetName } from "./fleets.ts";
import type { HostSpec } from "./host-spec.ts";
import { drawZipf, forkRandom } from "./random.ts";
import { generateSessions } from "./sessions.ts";
import type { Traces } from "./trace-files.ts";
import { thinSessions } from "./traces.ts";
import type { WorkItem, Workload } from "./traces.ts";
import { generateWorkload } from "./workload.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly fleet: readonly HostSpec[];
  readonly workload: (traces: Traces, seed: number) => Workload;
}

const EIGHT_B = "llama3:8b";
const FOURTEEN_B = "qwen2.5:14b";
/** From the most asked for to the least. */
const SIX_MODELS = ["llama3.2:3b", "mistral:7b", "llama3:8b", "gemma2:9b", "qwen2.5:14b", "qwen2.5:32b"] as const;
const HOUR_MS = 3_500_000;

export const SCENARIOS = {
  A: {
    name: "A",
    title: "Mooncake conversation up to 32 k tokens, 30 % of sessions, 8B, N = 2, nine mixed hosts",
    fleet: fleetOf("hetero9", 2, [EIGHT_B], 32_768),
    workload: (traces, seed) => thinSessions(upTo(traces.mooncake(), 32_768), 0.3, seed),
  },
  B: {
    name: "B",
    title: "as A on eight equal hosts",
    fleet: fleetOf("homogeneous8", 2, [EIGHT_B], 32_768),
    workload: (traces, seed) => thinSessions(upTo(traces.mooncake(), 32_768), 0.3, seed),
  },
  C: {
    name: "C",
    title:
      "Azure conversation (8B) and generated code completion (14B, bursts of CV 13), 35 %, N = 4, nine mixed hosts",
    fleet: fleetOf("hetero9", 4, [EIGHT_B, FOURTEEN_B], 8_192),
    workload: (traces, seed) => merge(thinSessions(traces.azure(), 0.35, seed), completions(seed, 0.35)),
  },
  D: {
    name: "D",
    title: "Azure conversation, 22 %, six models by Zipf from 3B to 32B, N = 2, nine mixed hosts",
    fleet: fleetOf("hetero9", 2, SIX_MODELS, 8_192),
    workload: (traces, seed) => spreadOverModels(thinSessions(traces.azure(), 0.22, seed), seed),
  },
  E: {
    name: "E",
    title: "generated agents and readers (12 and 5 shared blocks, long documents), 8B, N = 2, nine mixed hosts",
    fleet: fleetOf("hetero9", 2, [EIGHT_B], 32_768),
    workload: (_, seed) => agents(seed),
  },
  F: {
    name: "F",
    title: "Azure conversation, 25 %, 8B, N = 2, six weak hosts, one of them a CPU",
    fleet: fleetOf("weak6", 2, [EIGHT_B], 8_192),
    workload: (traces, seed) => thinSessions(traces.azure(), 0.25, seed),
  },
  N1: {
    name: "N1",
    title: "as A with Ollama's default of one slot (N = 1)",
    fleet: fleetOf("hetero9", 1, [EIGHT_B], 32_768),
    workload: (traces, seed) => thinSessions(upTo(traces.mooncake(), 32_768), 0.3, seed),
  },
} as const satisfies Record<string, Scenario>;
export type ScenarioName = keyof typeof SCENARIOS;

function fleetOf(
  fleet: FleetName,
  parallel: number,
  models: readonly ModelKindName[],
  contextLength: number,
): HostSpec[] {
  return buildFleet(
    fleet,
    parallel,
    models.map((name) => MODEL_KINDS[name]),
    contextLength,
  );
}

/** Keeps what fits in a context, question and answer. */
export function upTo(workload: Workload, tokens: number): WorkItem[] {
  return workload.filter(({ prompt, outputTokens }) => prompt.tokens + outputTokens <= tokens);
}

/** Puts workloads together in order of time. */
export function merge(...workloads: readonly Workload[]): WorkItem[] {
  return workloads.flat().sort((a, b) => a.at - b.at);
}

/** As Azure's code trace of 2023 has it: 8,819 requests in 58 minutes, long prompts and short answers, in bursts. */
function completions(seed: number, keep: number): WorkItem[] {
  const rate = (8_819 / 3_480) * keep;
  const items = generateWorkload({
    seed,
    durationMs: HOUR_MS,
    requestsPerSecond: rate,
    variation: 13,
    models: [FOURTEEN_B],
    prompts: { type: "chat", promptTokens: 2_048, outputTokens: 28 },
  });
  return items.map((item) => ({ ...item, prompt: apart(item.prompt), session: `code-${item.session}` }));
}

/** Negative blocks, which no trace has. */
function apart({ blocks, ...rest }: WorkItem["prompt"]): WorkItem["prompt"] {
  return { ...rest, blocks: blocks.map((block) => -1 - block) };
}

function spreadOverModels(workload: Workload, seed: number): WorkItem[] {
  const random = forkRandom(seed, "models");
  return workload.map((item) => ({ ...item, model: SIX_MODELS[drawZipf(random, SIX_MODELS.length, 1)] ?? EIGHT_B }));
}

/** Tool agents and short agents over heads they share, and readers who ask several times about a long document. */
function agents(seed: number): WorkItem[] {
  const base = { seed, durationMs: 1_800_000, model: EIGHT_B, heads: 4, turns: 4, pauseMs: 15_000, turnTokens: 300 };
  const tools = { ...base, name: "tools", sharedBlocks: 12, ownTokens: 500, sessionsPerSecond: 0.25 };
  const short = { ...base, name: "short", sharedBlocks: 5, ownTokens: 300, sessionsPerSecond: 0.2 };
  const readers = { ...base, name: "readers", sharedBlocks: 0, ownTokens: 12_000, sessionsPerSecond: 0.1 };
  return upTo(
    merge(
      generateSessions({ ...tools, outputTokens: [3, 50] }),
      generateSessions({ ...short, outputTokens: [15, 25] }),
      generateSessions({ ...readers, outputTokens: [50, 250], pauseMs: 40_000 }),
    ),
    32_768,
  );
}
