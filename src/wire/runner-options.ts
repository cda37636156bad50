// The options that make Ollama start a model's runner anew when they differ, as one line of text and back.

/** Options compared with the loaded runner's (Ollama's `api.Runner`); `shift` stands beside them in a request. */
export const RUNNER_OPTIONS = [
  "num_ctx",
  "num_batch",
  "num_gpu",
  "main_gpu",
  "use_mmap",
  "num_thread",
  "draft_num_predict",
] as const;
const WRITTEN = [...RUNNER_OPTIONS, "shift"];

/** Longest line that travels; a longer one sets no sensible option. */
const LINE_MAX_CHARS = 300;

/** Writes `name=value` pairs with a comma between; the values are JSON. Empty when nothing is set. */
export function writeRunnerOptions(options: ReadonlyMap<string, unknown>): string {
  return WRITTEN.flatMap((name) => (options.has(name) ? [`${name}=${JSON.stringify(options.get(name))}`] : [])).join(
    ",",
  );
}

/** Reads the line again; undefined when it sets something other than numbers and flags. */
export function readRunnerOptions(line: string): Readonly<Record<string, number | boolean>> | undefined {
  if (line.length > LINE_MAX_CHARS) return undefined;
  const options: Record<string, number | boolean> = {};
  for (const pair of line === "" ? [] : line.split(",")) {
    const [, name, value] = /^(\w+)=(true|false|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined) return undefined;
    options[name] = value === "true" || (value !== "false" && Number(value));
  }
  return options;
}

/** What a request to Ollama says of them: `options` without `shift`, which stands beside. Undefined as for the line. */
export function toRequest(line: string): object | undefined {
  const read = readRunnerOptions(line);
  if (read === undefined) return undefined;
  const { shift, ...options } = read;
  return {
    ...(shift === undefined ? {} : { shift }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
  };
}
