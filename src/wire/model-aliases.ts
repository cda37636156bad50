// Other names for models: what a client that knows only `gpt-4o-mini` gets instead.
import { parseModelName } from "./model-name.ts";
import type { ModelName } from "./model-name.ts";
import type { Result } from "./result.ts";

/** By the canonical key of the other name: the model that answers to it. */
export type ModelAliases = ReadonlyMap<string, ModelAlias>;

export interface ModelAlias {
  /** As lists show the other name. */
  readonly display: string;
  readonly target: ModelName;
  /** As a host is asked for the model. */
  readonly spelled: string;
}

/** Reads `other=model, other=model`. */
export function parseModelAliases(text: string): Result<ModelAliases, string> {
  const aliases = new Map<string, ModelAlias>();
  for (const pair of text.split(",").map((part) => part.trim())) {
    if (pair === "") continue;
    const read = parsePair(pair);
    if (!read.ok) return read;
    const { key, alias } = read.value;
    if (aliases.has(key)) return { ok: false, error: `${alias.display} is there twice` };
    aliases.set(key, alias);
  }
  const chained = [...aliases.values()].find(({ target }) => aliases.has(target.canonical));
  if (chained !== undefined) return { ok: false, error: `${chained.spelled} is itself another name` };
  return { ok: true, value: aliases };
}

function parsePair(pair: string): Result<{ key: string; alias: ModelAlias }, string> {
  const [left = "", right, ...more] = pair.split("=").map((part) => part.trim());
  if (right === undefined || more.length > 0)
    return { ok: false, error: `expected OTHER=MODEL, e.g. gpt-4o-mini=llama3.2:3b, not ${JSON.stringify(pair)}` };
  const name = parseModelName(left);
  const target = parseModelName(right);
  if (!name.ok) return { ok: false, error: `${JSON.stringify(left)}: ${name.error.message}` };
  if (!target.ok) return { ok: false, error: `${JSON.stringify(right)}: ${target.error.message}` };
  const alias = { display: left, target: target.value, spelled: right };
  return { ok: true, value: { key: name.value.canonical, alias } };
}
