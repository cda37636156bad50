// A simulated model: what Ollama would say of it, and how fast the simulated machine runs it.
import { createHash } from "node:crypto";

export type Capability = "completion" | "tools" | "insert" | "vision" | "embedding" | "thinking" | "image" | "audio";

export type SimulatedModel = {
  /** As a user would type it; a missing tag is `latest`. */
  readonly name: string;
  /** 64 hex digits. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly family: string;
  readonly parameterSize: string;
  readonly quantization: string;
  readonly capabilities: readonly Capability[];
  /** Most tokens of context the model was trained for. */
  readonly contextLength: number;
  readonly embeddingLength: number;
  /** Epoch ms. */
  readonly modifiedAt: number;
  readonly system: string;
  readonly template: string;
  readonly loadMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Words that every answer starts with. */
  readonly opening: string;
  /** Length of an answer that nobody limits; undefined derives 20 to 60 from the prompt. */
  readonly answerTokens: number | undefined;
  /** A stub whose model runs in Ollama's cloud; this host's cloud is off. */
  readonly remote: { readonly host: string; readonly model: string } | undefined;
};

// A fixed instant: a simulated fleet looks the same in every run.
const DEFAULT_MODIFIED_AT = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A model with sensible values for all that is not given; the digest follows from the name. */
export function simulatedModel(given: Partial<SimulatedModel> & { readonly name: string }): SimulatedModel {
  return {
    digest: createHash("sha256").update(`model ${given.name.toLowerCase()}`).digest("hex"),
    sizeBytes: 2_019_393_189,
    family: "llama",
    parameterSize: "3.2B",
    quantization: "Q4_K_M",
    capabilities: ["completion", "tools"],
    contextLength: 131_072,
    embeddingLength: 768,
    modifiedAt: DEFAULT_MODIFIED_AT,
    system: "",
    template: "{{ .Prompt }}",
    loadMs: 0,
    prefillTokensPerSecond: Number.POSITIVE_INFINITY,
    decodeTokensPerSecond: Number.POSITIVE_INFINITY,
    opening: "",
    answerTokens: undefined,
    remote: undefined,
    ...given,
  };
}

/** The model of `hive up --simulate`: says in its first words that it is none. */
export const demoModel: SimulatedModel = simulatedModel({
  name: "hive-demo",
  sizeBytes: 104_857_600,
  family: "simulated",
  parameterSize: "0B",
  quantization: "none",
  // Not embedding: `ollama run` prints a vector for a model that has it, whatever else it can do.
  capabilities: ["completion", "tools"],
  contextLength: 32_768,
  loadMs: 800,
  prefillTokensPerSecond: 2_000,
  decodeTokensPerSecond: 40,
  opening:
    "This is simulated text from hive-demo: no language model ran. Start Ollama and run Hive again to get real answers. " +
    "Until then, here are some words to look at:",
});

/** Its companion, so that embeddings can be tried too. */
export const demoEmbedder: SimulatedModel = simulatedModel({
  name: "hive-demo-embed",
  sizeBytes: 20_971_520,
  family: "simulated",
  parameterSize: "0B",
  quantization: "none",
  capabilities: ["embedding"],
  contextLength: 2_048,
});
