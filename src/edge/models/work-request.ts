// What the edge must know of a request that manages models: which models it names, and that the caller may touch them.
import type { ModelWork } from "../../wire/model-work.ts";
import { matchesModelGlobs, parseModelName } from "../../wire/model-name.ts";
import type { ModelName } from "../../wire/model-name.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import { readScalar, readString } from "../../wire/json-text.ts";
import type { Result } from "../../wire/result.ts";
import type { Caller } from "../env.ts";
import type { RefusalText } from "../refuse.ts";
import { CLOUD_OFF } from "../caller/request-policy.ts";
import { scanRequest } from "../body/scan-request.ts";
import { isPublicName } from "../leg/host-url.ts";

export interface WorkRoute {
  readonly work: Extract<ModelWork, "pull" | "push" | "create" | "copy" | "delete">;
  readonly path: string;
  readonly method: "POST" | "DELETE";
  /** Name of the Go struct in Ollama's type errors. */
  readonly goStruct: string;
  /** Ollama's words for a name that is none. */
  readonly invalid: (key: string, name: string) => string;
  /** Whether it knows names that end in `:local` and `:cloud`, so that both at once are worth a word. */
  readonly tellsConflict?: true;
}

const plainly = () => "invalid model name";

export const WORK_ROUTES: readonly WorkRoute[] = [
  {
    work: "pull",
    path: "/api/pull",
    method: "POST",
    goStruct: "api.PullRequest",
    invalid: plainly,
    tellsConflict: true,
  },
  { work: "push", path: "/api/push", method: "POST", goStruct: "api.PushRequest", invalid: plainly },
  { work: "create", path: "/api/create", method: "POST", goStruct: "api.CreateRequest", invalid: plainly },
  {
    work: "copy",
    path: "/api/copy",
    method: "POST",
    goStruct: "api.CopyRequest",
    invalid: (key, name) => `${key} ${JSON.stringify(name)} is invalid`,
  },
  {
    work: "delete",
    path: "/api/delete",
    method: "DELETE",
    goStruct: "api.DeleteRequest",
    tellsConflict: true,
    invalid: (_key, name) => `name ${JSON.stringify(name)} is invalid`,
  },
];

export interface WorkRequest {
  /** The model as the caller spelled it. */
  readonly spelled: string;
  /** Canonical key of the model that decides where the work is done; undefined where any host will do. */
  readonly model?: string | undefined;
  readonly streaming: boolean;
  /** All models that it names. */
  readonly names: readonly string[];
}

/** Whose rights a request is judged by. */
interface Rights {
  readonly caller: Caller;
  readonly cloudAllowed: boolean;
}

/** Reads a body. Without a name it is a host that says what is wrong: Ollama has its own words for each endpoint. */
export function readWorkRequest(route: WorkRoute, bytes: Uint8Array, rights: Rights): Result<WorkRequest, RefusalText> {
  const scanned = scanRequest("ollama", route.goStruct, bytes);
  if (!scanned.ok) return scanned;
  const body = scanned.value;
  const names = readNames(route, body, rights);
  if (!names.ok) return names;
  const streaming = readScalar(bytes, body.members.get("stream")) !== false;
  const spelled = textOf(body, keysOf(route, body)[0] ?? "");
  const model = decisive(route, body, names.value);
  return { ok: true, value: { spelled, model, streaming, names: names.value.map(({ display }) => display) } };
}

/** The models that a body names, all of them such as the caller may use. */
function readNames(route: WorkRoute, body: ScannedBody, rights: Rights): Result<ModelName[], RefusalText> {
  const names: ModelName[] = [];
  for (const key of keysOf(route, body)) {
    const spelled = textOf(body, key);
    if (spelled === "") continue;
    const name = parseModelName(spelled);
    if (!name.ok) {
      const isTold = name.error.code === "conflicting_source" && route.tellsConflict;
      const message = isTold ? name.error.message : route.invalid(key, spelled);
      return { ok: false, error: { code: "bad_request", message } };
    }
    const barred =
      whyBarred(name.value, spelled, rights) ??
      whyRemote(body, rights) ??
      whyUnfetched(route, body, name.value, rights);
    if (barred !== undefined) return { ok: false, error: barred };
    names.push(name.value);
  }
  return { ok: true, value: names };
}

function textOf(body: ScannedBody, key: string): string {
  return readString(body.bytes, body.members.get(key)) ?? "";
}

/** Where `model` is empty, Ollama reads the older `name`. */
function keysOf({ work }: WorkRoute, body: ScannedBody): readonly string[] {
  if (work === "copy") return ["source", "destination"];
  const key = textOf(body, "model") === "" ? "name" : "model";
  return work === "create" ? [key, "from"] : [key];
}

/** What was uploaded lies at the host of who builds, whatever the rest is made from. */
function decisive({ work }: WorkRoute, body: ScannedBody, names: readonly ModelName[]): string | undefined {
  if (work !== "create") return names[0]?.stored;
  return body.members.has("files") || body.members.has("adapters") ? undefined : names[1]?.stored;
}

function whyBarred(name: ModelName, spelled: string, { caller, cloudAllowed }: Rights): RefusalText | undefined {
  if (!matchesModelGlobs(name.canonical, caller.models))
    return { code: "model_forbidden", message: `hive: this token may not use model '${spelled}'` };
  return name.source === "cloud" && !cloudAllowed ? { code: "cloud_forbidden", message: CLOUD_OFF } : undefined;
}

/** A model made with `remote_host` is a stub: what it is asked leaves its host. */
function whyRemote(body: ScannedBody, { cloudAllowed }: Rights): RefusalText | undefined {
  const remote = body.members.get("remote_host");
  const isLocal = remote === undefined || remote.type === "null" || textOf(body, "remote_host") === "";
  const message = "hive: models that run elsewhere are off (ALLOW_CLOUD_MODELS)";
  return isLocal || cloudAllowed ? undefined : { code: "cloud_forbidden", message };
}

/**
 * Ollama calls whatever registry a name begins with, from inside the host's network (SSRF, CVE-2026-5530). So clients reach
 * public names over TLS alone, unless a glob of their token names another.
 */
function whyUnfetched(
  { work }: WorkRoute,
  body: ScannedBody,
  name: ModelName,
  { caller }: Rights,
): RefusalText | undefined {
  if (work === "copy" || work === "delete" || caller.role === "admin") return undefined;
  const insecure = body.members.get("insecure");
  const isSecure = insecure === undefined || insecure.type === "null" || readScalar(body.bytes, insecure) === false;
  if (isSecure && isPublicName(name.host)) return undefined;
  const named = caller.models.filter((glob) => glob.includes("/"));
  if (matchesModelGlobs(name.canonical, named)) return undefined;
  return { code: "model_forbidden", message: "hive: this token may not reach that registry" };
}
