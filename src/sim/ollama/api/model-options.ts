// The `options` object of a request, checked and read as Ollama does (api.Options.FromMap).
import type { RunnerOptions } from "../machine/runner.ts";
import { goQuote } from "../go/go-json.ts";

export type ModelOptions = {
  readonly runner: RunnerOptions;
  readonly seed: number | undefined;
  /** Negative: no limit was asked for. */
  readonly numPredict: number | undefined;
  readonly stop: readonly string[];
};

type Kind = "integer" | "boolean" | "float32" | "array";

const KINDS: Readonly<Record<string, Kind>> = {
  num_ctx: "integer",
  num_batch: "integer",
  num_gpu: "integer",
  main_gpu: "integer",
  use_mmap: "boolean",
  num_thread: "integer",
  draft_num_predict: "integer",
  num_keep: "integer",
  seed: "integer",
  num_predict: "integer",
  top_k: "integer",
  top_p: "float32",
  min_p: "float32",
  typical_p: "float32",
  repeat_last_n: "integer",
  temperature: "float32",
  repeat_penalty: "float32",
  presence_penalty: "float32",
  frequency_penalty: "float32",
  stop: "array",
};

/** Reads options; the error is Ollama's text. Keys must match exactly here, and unknown ones are ignored. */
export function readModelOptions(
  options: Readonly<Record<string, unknown>> | null,
  shift: boolean,
): { readonly ok: true; readonly value: ModelOptions } | { readonly ok: false; readonly error: string } {
  const given = Object.entries(options ?? {}).filter(([key, value]) => key in KINDS && value !== null);
  for (const [key, value] of given) {
    const kind = KINDS[key];
    if (kind !== undefined && !isKind(value, kind)) {
      return { ok: false, error: `option ${goQuote(key)} must be of type ${kind}` };
    }
    if (Array.isArray(value) && !value.every((item) => typeof item === "string")) {
      return { ok: false, error: `option ${goQuote(key)} must be of an array of strings` };
    }
  }
  const known = Object.fromEntries(given);
  const numberOf = (key: string): number | undefined =>
    typeof known[key] === "number" ? Math.trunc(known[key]) : undefined;
  const useMmap = known["use_mmap"];
  const stop: unknown[] = Array.isArray(known["stop"]) ? known["stop"] : [];
  return {
    ok: true,
    value: {
      runner: {
        shift,
        ...definedNumbers(["num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"], numberOf),
        ...(typeof useMmap === "boolean" ? { use_mmap: useMmap } : {}),
      },
      seed: numberOf("seed"),
      numPredict: numberOf("num_predict"),
      stop: stop.filter((text) => typeof text === "string"),
    },
  };
}

function isKind(value: unknown, kind: Kind): boolean {
  if (kind === "boolean") return typeof value === "boolean";
  if (kind === "array") return Array.isArray(value);
  return typeof value === "number";
}

function definedNumbers(
  keys: readonly string[],
  numberOf: (key: string) => number | undefined,
): Record<string, number> {
  const found: Record<string, number> = {};
  for (const key of keys) {
    const value = numberOf(key);
    if (value !== undefined) found[key] = value;
  }
  return found;
}
