// Where recorded workloads are, and generated ones with the same means where they are not.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { generateSessions } from "./sessions.ts";
import { readAzureTrace, readMooncakeTrace } from "./traces.ts";
import type { WorkItem } from "./traces.ts";
import { generateWorkload } from "./workload.ts";

export interface Traces {
  /** Azure conversation, 2023: 19,366 requests in 58 minutes, nothing shared. */
  azure(): readonly WorkItem[];
  /** Mooncake conversation: 12,031 requests in 59 minutes, sessions with shared prefixes. */
  mooncake(): readonly WorkItem[];
  /** Whether they are the recorded ones. */
  readonly recorded: boolean;
}

const MODEL = "llama3:8b";
const HOUR_MS = 3_540_000;

/** Opens the traces of a folder; without them every run is on generated workloads, and says so. */
export function openTraces(folder: string): Traces {
  const azureFile = join(folder, "AzureLLMInferenceTrace_conv.csv");
  const mooncakeFile = join(folder, "mooncake_conversation_trace.jsonl");
  const recorded = existsSync(azureFile) && existsSync(mooncakeFile);
  return {
    recorded,
    azure: once(() => (recorded ? readAzureTrace(azureFile, MODEL) : likeAzure())),
    mooncake: once(() => (recorded ? readMooncakeTrace(mooncakeFile, MODEL) : likeMooncake())),
  };
}

function likeAzure(): WorkItem[] {
  const prompts = { type: "chat", promptTokens: 1_155, outputTokens: 211 } as const;
  return generateWorkload({ seed: 1, durationMs: HOUR_MS, requestsPerSecond: 5.5, models: [MODEL], prompts });
}

function likeMooncake(): WorkItem[] {
  return generateSessions({
    name: "conversation",
    seed: 1,
    durationMs: HOUR_MS,
    sessionsPerSecond: 1.4,
    model: MODEL,
    sharedBlocks: 1,
    heads: 1,
    ownTokens: 6_000,
    turns: 2.4,
    turnTokens: 1_500,
    outputTokens: [20, 650],
    pauseMs: 90_000,
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
