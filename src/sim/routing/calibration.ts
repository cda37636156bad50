// What simulated hosts and models are made of: published measurements, one table, with their sources.

const GIB = 2 ** 30;
const GB = 1e9;

/** Total speed with 1, 2, … slots generating, against one slot; the last entry holds for all beyond. */
export type BatchingCurve = readonly number[];

/** RTX 3090, 8B Q4_0, llama.cpp PR #15802: 155, 277, 390, 469, 514, 529, 559, 571 tok/s in total. */
export const DISCRETE_GPU_CURVE: BatchingCurve = [155, 277, 390, 469, 514, 529, 559, 571].map((total) => total / 155);
/** Apple M1, Ollama 0.30.7: the total hardly rises. CPUs, bound by memory too, are taken to be alike. */
export const FLAT_CURVE: BatchingCurve = [1];

export interface HostKind {
  readonly name: string;
  /** Llama-3-8B Q4_K_M, one stream at depth 0, prompt tokens per second. */
  readonly prefillPerSecond: number;
  /** Llama-3-8B Q4_K_M, one stream at depth 0, tokens per second. */
  readonly decodePerSecond: number;
  readonly memoryBytes: number;
  readonly gpus: number;
  /** Discrete GPUs report freed memory late: a load that evicted something waits for it. */
  readonly discrete: boolean;
  readonly batching: BatchingCurve;
  readonly diskBytesPerSecond: number;
  /** How many bytes of weights stay in the page cache of the operating system. */
  readonly pageCacheBytes: number;
}

/** NVMe as Ollama reads it: 2-3 GB/s of the 2-7 GB/s a disk may give. */
const NVME = { diskBytesPerSecond: 2.5 * GB, pageCacheBytes: 48 * GIB };

function gpu(name: string, prefillPerSecond: number, decodePerSecond: number, memoryGib: number): HostKind {
  const memoryBytes = memoryGib * GIB;
  const rates = { prefillPerSecond, decodePerSecond, memoryBytes };
  return { name, ...rates, gpus: 1, discrete: true, batching: DISCRETE_GPU_CURVE, ...NVME };
}

function shared(name: string, prefillPerSecond: number, decodePerSecond: number, memoryGib: number): HostKind {
  const base = gpu(name, prefillPerSecond, decodePerSecond, memoryGib);
  return { ...base, discrete: false, batching: FLAT_CURVE };
}

/**
 * XiongjieDai/GPU-Benchmarks-on-LLM-Inference, prompt 1024, generation 1024. No primary source exists for the
 * RTX 3060 (scaled by bandwidth); the CPU is geerlingguy/ai-benchmarks #13 and #33, scaled from 3B.
 */
export const HOST_KINDS = {
  h100: gpu("H100 PCIe 80G", 7760, 144, 80),
  a100: gpu("A100 PCIe 80G", 5800, 138, 80),
  rtx4090: gpu("RTX 4090 24G", 6899, 128, 24),
  rtx4080: gpu("RTX 4080 16G", 5065, 106, 16),
  rtx3090: gpu("RTX 3090 24G", 3865, 112, 24),
  rtx3080: gpu("RTX 3080 10G", 3557, 106, 10),
  rtx3070: gpu("RTX 3070 8G", 2284, 71, 8),
  rtx3060: gpu("RTX 3060 12G", 1600, 52, 12),
  a6000: gpu("RTX A6000 48G", 3622, 102, 48),
  m2Ultra: shared("M2 Ultra 76c", 1024, 76, 128),
  m3Max: shared("M3 Max", 678, 51, 64),
  m1Max: shared("M1 Max", 355, 34, 32),
  cpu: shared("CPU", 45, 9, 64),
} as const satisfies Record<string, HostKind>;
export type HostKindName = keyof typeof HOST_KINDS;

export interface ModelKind {
  readonly name: string;
  readonly parameters: number;
  readonly weightBytes: number;
  /** At f16, over all layers. */
  readonly kvBytesPerToken: number;
  readonly maxContext: number;
  /** Ollama serves embedding models, and some families, one request at a time whatever OLLAMA_NUM_PARALLEL says. */
  readonly serial?: boolean | undefined;
}

/** The model all rates were measured with. */
const REFERENCE_PARAMETERS = 8e9;
const REFERENCE_BYTES = 4.9 * GB;
const KIB = 1024;

/** Q4_K_M weights of the usual sizes; KV bytes from layers × KV heads × head size of each family. */
export const MODEL_KINDS = {
  "nomic-embed-text": { ...model("nomic-embed-text", 0.137, 0.27, 36), serial: true },
  "llama3.2:3b": model("llama3.2:3b", 3.2, 2.0, 112),
  "mistral:7b": model("mistral:7b", 7.2, 4.4, 128),
  "llama3:8b": model("llama3:8b", 8, 4.9, 128),
  "gemma2:9b": model("gemma2:9b", 9.2, 5.8, 336),
  "qwen2.5:14b": model("qwen2.5:14b", 14.8, 9.0, 192),
  "qwen2.5:32b": model("qwen2.5:32b", 32.8, 19.9, 256),
  "llama3:70b": model("llama3:70b", 70.6, 42.5, 320),
} as const satisfies Record<string, ModelKind>;
export type ModelKindName = keyof typeof MODEL_KINDS;

function model(name: string, billions: number, weightGb: number, kvKib: number): ModelKind {
  const sizes = { parameters: billions * 1e9, weightBytes: weightGb * GB, kvBytesPerToken: kvKib * KIB };
  return { name, ...sizes, maxContext: 131_072 };
}

/** Prompt tokens per second of a model on a host at depth 0: inversely proportional to its parameters. */
export function prefillRate(host: HostKind, { parameters }: ModelKind): number {
  return host.prefillPerSecond * (REFERENCE_PARAMETERS / parameters);
}

/** Tokens per second of a model on a host, one stream at depth 0: inversely proportional to its bytes. */
export function decodeRate(host: HostKind, { weightBytes }: ModelKind): number {
  return host.decodePerSecond * (REFERENCE_BYTES / weightBytes);
}

/** RTX 3090, 8B: prefill falls from about 4 k tok/s to 1.6 k at 32 k tokens. */
const PREFILL_DEPTH_TOKENS = 16_384;
/** RTX 4090: decoding falls from about 150 tok/s to 100 at 32 k tokens (llama.cpp PR #17505). */
const DECODE_DEPTH_TOKENS = 49_152;

/** Counts the work of reading tokens after a cached prefix, in tokens at depth 0: (n + ((c+n)² − c²)/2κ). */
export function prefillWork(tokens: number, cachedTokens: number): number {
  return workAtDepth(tokens, cachedTokens, PREFILL_DEPTH_TOKENS);
}

/** Counts the work of writing tokens after a context, in tokens at depth 0: each is slower by 1 + context/48 k. */
export function decodeWork(tokens: number, contextTokens: number): number {
  return workAtDepth(tokens, contextTokens, DECODE_DEPTH_TOKENS);
}

function workAtDepth(tokens: number, depth: number, scale: number): number {
  return tokens + ((depth + tokens) ** 2 - depth ** 2) / (2 * scale);
}

/** Tells how much faster several slots generate together than one alone. */
export function batchingSpeedUp(curve: BatchingCurve, generating: number): number {
  return curve[Math.min(generating, curve.length) - 1] ?? 1;
}

/** Compute buffers of a runner besides weights and KV. */
const RUNNER_OVERHEAD_BYTES = GIB / 2;

/** Estimates the memory of a runner: weights + N·num_ctx·KV + 0.5 GiB. */
export function runnerBytes({ weightBytes, kvBytesPerToken }: ModelKind, parallel: number, numCtx: number): number {
  return weightBytes + parallel * numCtx * kvBytesPerToken + RUNNER_OVERHEAD_BYTES;
}

/** Ollama's default context by memory: under 23 GiB 4,096, from 23 GiB 32,768, from 47 GiB 262,144 tokens. */
export function defaultContext({ memoryBytes }: HostKind): number {
  if (memoryBytes >= 47 * GIB) return 262_144;
  return memoryBytes >= 23 * GIB ? 32_768 : 4_096;
}

const RUNNER_START_MS = 800;
/** Weights still in the page cache load in half the time or less. */
const PAGE_CACHE_FACTOR = 0.4;

/** Tells how long a load takes once there is room: bytes over bandwidth, and the start of the process. */
export function loadMs(host: HostKind, { weightBytes }: ModelKind, fromPageCache: boolean): number {
  const readMs = (weightBytes / host.diskBytesPerSecond) * 1000;
  return RUNNER_START_MS + readMs * (fromPageCache ? PAGE_CACHE_FACTOR : 1);
}

/** Ollama's batch by context (`generationBatchForContext`): 512, 1,024 or 2,048 tokens per step. */
export function batchTokens(numCtx: number): number {
  if (numCtx > 32_768) return 2_048;
  return numCtx > 4_096 ? 1_024 : 512;
}
