// Which keys of a request body mean something to Ollama, and when two spellings are one key to Go.
// Attack: `{"model":"allowed","MODEL":"secret"}` is `allowed` to JavaScript and `secret` to Ollama, whose decoder ignores case
// and lets the last one win. Whoever checks the one and forwards the other has checked nothing.

/** The top-level keys of every inference and management request, native, OpenAI and Anthropic style (Ollama 0.33). */
export const BODY_KEYS: readonly string[] = `
  model name prompt suffix system template context stream raw format keep_alive images options think truncate
  shift logprobs top_logprobs messages tools input dimensions _debug_render_only verbose insecure username
  password source destination from files adapters license parameters quantize quantization draft_quantize
  draft_files remote_host renderer parser requires info stream_options max_tokens max_completion_tokens
  max_output_tokens seed stop temperature top_p frequency_penalty presence_penalty response_format reasoning
  reasoning_effort encoding_format background conversation include instructions text truncation
  previous_response_id top_k stop_sequences tool_choice thinking metadata output_config query max_results url
`
  .trim()
  .split(/\s+/);

/** The keys of `options`. */
export const OPTION_KEYS: readonly string[] = `
  num_ctx num_batch num_gpu main_gpu use_mmap num_thread draft_num_predict num_keep seed num_predict top_k top_p
  min_p typical_p repeat_last_n temperature repeat_penalty presence_penalty frequency_penalty stop
`
  .trim()
  .split(/\s+/);

/** Folds a key as far as Go does towards ASCII: A-Z, the Kelvin sign (k) and the long s (s). */
export function foldKey(key: string): string {
  return key.replace(/[A-Z\u212A\u017F]/g, (char) =>
    char === "\u212A" ? "k" : char === "\u017F" ? "s" : char.toLowerCase(),
  );
}

/** Notices, key by key of one object, what Go might read otherwise than JavaScript. */
export class KeyWatch {
  private readonly known: ReadonlySet<string>;
  private readonly seenFolded = new Set<string>();

  /** `known` holds folded keys. */
  constructor(known: ReadonlySet<string>) {
    this.known = known;
  }

  /** The reason why this key makes its object ambiguous, or undefined. */
  objectionTo(key: string): string | undefined {
    const folded = foldKey(key);
    if (folded !== key && this.known.has(folded)) return `key ${JSON.stringify(key)} would be read as "${folded}"`;
    // Also two unknown keys that differ only in case: a newer Ollama may know the key.
    if (this.seenFolded.has(folded)) return `key ${JSON.stringify(key)} repeats`;
    this.seenFolded.add(folded);
    return undefined;
  }
}
