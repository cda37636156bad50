// Ollama's model names: which text is a name, when two texts name one model, and how a name is shown.
import type { Result } from "./result.ts";

const DEFAULT_HOST = "registry.ollama.ai";
const DEFAULT_NAMESPACE = "library";
const DEFAULT_TAG = "latest";

// Ollama's own limits (types/model/name.go).
const MAX_HOST_LENGTH = 350;
const MAX_PART_LENGTH = 80;

const LEGACY_CLOUD_SUFFIX = "-cloud";

/** Where the caller wants the model to run, when the name says so: `x:cloud`, `x:20b-cloud`, `x:local`. */
export type ModelSource = "cloud" | "local";

export type ModelName = {
  readonly host: string;
  readonly namespace: string;
  readonly model: string;
  readonly tag: string;
  /** `host/namespace/model:tag`, lower-cased: equal names have equal keys. The source suffix is not part of it. */
  readonly canonical: string;
  /** The same key of the name on disk: as `canonical`, but for the stub of a cloud model, whose tag says that it is one. */
  readonly stored: string;
  /** As Ollama lists it: default host and namespace dropped, tag always shown, case kept. */
  readonly display: string;
  readonly source: ModelSource | undefined;
};

export type ModelNameError = { readonly code: "required" | "invalid" | "conflicting_source"; readonly message: string };

/** Reads a model name as Ollama does; the failure carries Ollama's own text. */
export function parseModelName(text: string): Result<ModelName, ModelNameError> {
  const trimmed = trimSpace(text);
  if (trimmed === "") return failure("required", "model is required");

  const { base, source } = cutSource(trimmed);
  if (source !== undefined && cutSource(base).source !== undefined) {
    return failure("conflicting_source", `use either :local or :cloud, not both: ${JSON.stringify(trimmed)}`);
  }

  const parts = splitParts(base);
  if (parts === undefined) return failure("invalid", "invalid model name");
  const { host, namespace, model, tag } = parts;
  const keyWith = (ending: string) => `${host}/${namespace}/${model}:${ending}`.toLowerCase();
  const canonical = keyWith(tag);
  const stored = source === "cloud" ? keyWith(stubTag(base, tag)) : canonical;
  return { ok: true, value: { host, namespace, model, tag, canonical, stored, display: displayOf(parts), source } };
}

/**
 * Says whether a token that is limited to these globs may use a model. The name may be canonical or as displayed; a name
 * that is not valid matches nothing. `*` stands for any run of characters inside one part; alone it is every model.
 * A glob without a tag takes every tag; without host and namespace it means Ollama's library.
 */
export function matchesModelGlobs(name: string, globs: readonly string[]): boolean {
  const parsed = parseModelName(name);
  return parsed.ok && globs.some((glob) => matchesGlob(parsed.value, glob.trim().toLowerCase()));
}

function matchesGlob(name: ModelName, glob: string): boolean {
  if (glob === "*") return true;
  const { path, tag = "*" } = cutTag(glob);
  const pattern = globParts(path.split("/"));
  return (
    pattern !== undefined &&
    matchesWildcard(name.host, pattern.host) &&
    matchesWildcard(name.namespace, pattern.namespace) &&
    matchesWildcard(name.model, pattern.model) &&
    matchesWildcard(name.tag, tag)
  );
}

function globParts(path: readonly string[]): Omit<Parts, "tag"> | undefined {
  const [first = "", second = "", third = ""] = path;
  if (path.length === 1) return { host: DEFAULT_HOST, namespace: DEFAULT_NAMESPACE, model: first };
  if (path.length === 3) return { host: first, namespace: second, model: third };
  if (path.length !== 2) return undefined;
  // A namespace has neither dot nor colon, so `hf.co/*` can only mean a host.
  if (first.includes(".") || first.includes(":")) return { host: first, namespace: "*", model: second };
  return { host: DEFAULT_HOST, namespace: first, model: second };
}

/** Tells whether a name fits a pattern in which * stands for any characters. Greedy and without backtracking: the work is bounded by the name's length times the pattern's, both short. */
export function matchesWildcard(part: string, pattern: string): boolean {
  const text = part.toLowerCase();
  const pieces = pattern.split("*");
  const first = pieces.shift() ?? "";
  const last = pieces.pop();
  if (last === undefined) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

/** Ollama keeps `x:20b:cloud` as `x:20b-cloud`, and `x` as `x:cloud`. */
function stubTag(base: string, tag: string): string {
  return cutTag(base).tag === undefined ? "cloud" : `${tag}${LEGACY_CLOUD_SUFFIX}`;
}

type Parts = { readonly host: string; readonly namespace: string; readonly model: string; readonly tag: string };

/** Removes one source suffix; the tag of `20b-cloud` keeps its `20b`. */
function cutSource(text: string): { base: string; source: ModelSource | undefined } {
  const colon = text.lastIndexOf(":");
  if (colon === -1) return { base: text, source: undefined };
  const suffix = trimSpace(text.slice(colon + 1));
  const folded = suffix.toLowerCase();
  if (folded === "cloud" || folded === "local") return { base: text.slice(0, colon), source: folded };
  if (folded.endsWith(LEGACY_CLOUD_SUFFIX) && !suffix.includes("/")) {
    return { base: text.slice(0, colon + 1) + suffix.slice(0, -LEGACY_CLOUD_SUFFIX.length), source: "cloud" };
  }
  return { base: text, source: undefined };
}

function splitParts(text: string): Parts | undefined {
  const { path, tag = DEFAULT_TAG } = cutTag(text);
  const modelSlash = path.lastIndexOf("/");
  const model = path.slice(modelSlash + 1);
  const namespaceSlash = modelSlash === -1 ? -1 : path.lastIndexOf("/", modelSlash - 1);
  // lastIndexOf clamps a negative start to 0: a leading slash would be found twice.
  const hasHost = namespaceSlash !== -1 && namespaceSlash < modelSlash;
  const namespace = modelSlash === -1 ? DEFAULT_NAMESPACE : path.slice(hasHost ? namespaceSlash + 1 : 0, modelSlash);
  const host = hasHost ? withoutScheme(path.slice(0, namespaceSlash)) : DEFAULT_HOST;

  const valid =
    isPart(host, MAX_HOST_LENGTH, ".:") &&
    isPart(namespace, MAX_PART_LENGTH, "") &&
    isPart(model, MAX_PART_LENGTH, ".") &&
    isPart(tag, MAX_PART_LENGTH, ".");
  return valid ? { host, namespace, model, tag } : undefined;
}

/** The tag is what follows the last colon, unless that colon belongs to a host's port. */
function cutTag(text: string): { path: string; tag: string | undefined } {
  const colon = text.lastIndexOf(":");
  if (colon <= text.lastIndexOf("/")) return { path: text, tag: undefined };
  return { path: text.slice(0, colon), tag: text.slice(colon + 1) };
}

function withoutScheme(text: string): string {
  const at = text.indexOf("://");
  // `://host` promises a scheme it does not have, and `https://` a host: Ollama fills an empty host with the default one.
  return at === -1 ? text : text.slice(at + 3) || DEFAULT_HOST;
}

function isPart(text: string, maxLength: number, punctuation: string): boolean {
  if (text.length === 0 || text.length > maxLength || !isWordByte(text.charCodeAt(0))) return false;
  for (let at = 1; at < text.length; at++) {
    const char = text.charAt(at);
    if (!isWordByte(text.charCodeAt(at)) && char !== "-" && !punctuation.includes(char)) return false;
  }
  return true;
}

function isWordByte(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f
  );
}

function displayOf(parts: Parts): string {
  const name = `${parts.model}:${parts.tag}`;
  if (parts.host.toLowerCase() !== DEFAULT_HOST) return `${parts.host}/${parts.namespace}/${name}`;
  if (parts.namespace.toLowerCase() !== DEFAULT_NAMESPACE) return `${parts.namespace}/${name}`;
  return name;
}

/** Go's strings.TrimSpace: unlike JavaScript's trim it takes U+0085 and leaves U+FEFF. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charAt(start))) start++;
  while (end > start && isSpace(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(char: string): boolean {
  return char === "\u0085" || (char !== "\uFEFF" && char.trim() === "");
}

function failure(code: ModelNameError["code"], message: string): { ok: false; error: ModelNameError } {
  return { ok: false, error: { code, message } };
}
