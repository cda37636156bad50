// Model names where Ollama neither trims them nor knows `:cloud` and `:local`: create, copy and push.
import type { ModelName } from "../../../wire/model-name.ts";

export type PlainName = Pick<ModelName, "host" | "namespace" | "model" | "tag"> & { readonly valid: boolean };

// Ollama's mark for a part that a separator promised and that is not there.
const MISSING = "!MISSING!";

/** Ollama's model.ParseName: defaults filled in, validity apart. */
export function parsePlainName(text: string): PlainName {
  const [beforeTag, tag = "latest"] = text.lastIndexOf(":") > text.lastIndexOf("/") ? cutLast(text, ":") : [text];
  const [beforeModel, model] = cutLast(beforeTag, "/");
  const [beforeNamespace, namespace] = model === undefined ? [""] : cutLast(beforeModel, "/");
  const parts = {
    host: model === undefined || namespace === undefined ? "registry.ollama.ai" : withoutScheme(beforeNamespace),
    namespace: model === undefined ? "library" : (namespace ?? beforeModel),
    model: model ?? beforeTag,
    tag,
  };
  const valid =
    isPart(parts.host, /^\w[\w.:-]{0,349}$/) &&
    isPart(parts.namespace, /^\w[\w-]{0,79}$/) &&
    isPart(parts.model, /^\w[\w.-]{0,79}$/) &&
    isPart(parts.tag, /^\w[\w.-]{0,79}$/);
  return { ...parts, valid };
}

/** The name in full, as Ollama's errors spell it. */
export function fullName(name: Pick<ModelName, "host" | "namespace" | "model" | "tag">): string {
  return `${name.host}/${name.namespace}/${name.model}:${name.tag}`;
}

/** Lower-cased in full: equal names have equal keys. */
export function canonicalOf(name: PlainName): string {
  return fullName(name).toLowerCase();
}

function cutLast(text: string, separator: string): [string, string | undefined] {
  const at = text.lastIndexOf(separator);
  if (at === -1) return [text, undefined];
  return [text.slice(0, at) || MISSING, text.slice(at + 1) || MISSING];
}

function withoutScheme(host: string): string {
  const at = host.indexOf("://");
  return at === -1 ? host : host.slice(at + 3) || "registry.ollama.ai";
}

function isPart(text: string, pattern: RegExp): boolean {
  return pattern.test(text);
}
