// What the edge must know of a request that manages models: which models it names, and that the caller may touch them.
import type { ModelWork } from "../../wire/model-work.ts";
import { matchesModelGlobs, parseModelName } from "../../wire/model-name.ts";
import type { ModelName } from "../../wire/model-name.ts";
import type { ScannedBody } from "../../wire/json-scan.ts";
import { readScalar, readString } from "../../wire/json-text.ts";
import type { Result } from "../../wire/result.ts";
import type { Caller } from "../env.ts";
import type { RefusalText } from "../refuse.ts";
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
}

const plainly = () => "invalid model name";

export const WORK_ROUTES: readonly WorkRoute[] = [
  { work: "pull", path: "/api/pull", method: "POST", goStruct: "api.PullRequest", invalid: plainly },
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
    invalid: (_key, name) => `name ${JSON.stringify(name)} is invalid`,
  },
];

export interface WorkRequest {
  /** The model as the caller spelled it. */
  readonly spelled: string;
  /** Canonical key of the model that decides where the work is done; undefined where any host will do. */
  readonly model?: string | undefined;
  readonly streaming: boolean;
}

/** Reads a body. Without a name it is a host that says what is wrong: Ollama has its own words for each endpoint. */
export function readWorkRequest(
  route: WorkRoute,
  bytes: Uint8Array,
  { caller, cloudAllowed }: { readonly caller: Caller; readonly cloudAllowed: boolean },
): Result<WorkRequest, RefusalText> {
  const scanned = scanRequest("ollama", route.goStruct, bytes);
  if (!scanned.ok) return scanned;
  const body = scanned.value;
  const streaming = readScalar(bytes, body.members.get("stream")) !== false;
  const names: ModelName[] = [];
  if (!cloudAllowed && (readString(bytes, body.members.get("remote_host")) ?? "") !== "")
    return {
      ok: false,
      error: { code: "cloud_forbidden", message: "hive: models that run elsewhere are off (ALLOW_CLOUD_MODELS)" },
    };
  for (const key of keysOf(route, body)) {
    const spelled = readString(bytes, body.members.get(key)) ?? "";
    if (spelled === "") continue;
    const name = parseModelName(spelled);
    if (!name.ok) {
      const message = name.error.code === "conflicting_source" ? name.error.message : route.invalid(key, spelled);
      return { ok: false, error: { code: "bad_request", message } };
    }
    const barred =
      whyBarred(name.value, spelled, caller, cloudAllowed) ?? whyUnfetched(route, body, name.value, caller);
    if (barred !== undefined) return { ok: false, error: barred };
    names.push(name.value);
  }
  const spelled = readString(bytes, body.members.get(keysOf(route, body)[0] ?? "")) ?? "";
  return { ok: true, value: { spelled, model: decisive(route, body, names), streaming } };
}

/** Where `model` is empty, Ollama reads the older `name`. */
function keysOf({ work }: WorkRoute, body: ScannedBody): readonly string[] {
  if (work === "copy") return ["source", "destination"];
  const key = (readString(body.bytes, body.members.get("model")) ?? "") === "" ? "name" : "model";
  return work === "create" ? [key, "from"] : [key];
}

/** What was uploaded lies at the host of who builds, whatever the rest is made from. */
function decisive({ work }: WorkRoute, body: ScannedBody, names: readonly ModelName[]): string | undefined {
  if (work !== "create") return names[0]?.canonical;
  return body.members.has("files") || body.members.has("adapters") ? undefined : names[1]?.canonical;
}

function whyBarred(name: ModelName, spelled: string, caller: Caller, cloudAllowed: boolean): RefusalText | undefined {
  if (!matchesModelGlobs(name.canonical, caller.models))
    return { code: "model_forbidden", message: `hive: this token may not use model '${spelled}'` };
  if (name.source === "cloud" && !cloudAllowed)
    return { code: "cloud_forbidden", message: "hive: cloud models are off (ALLOW_CLOUD_MODELS)" };
  return undefined;
}

/**
 * Ollama calls whatever registry a name begins with, from inside the host's network (SSRF, CVE-2026-5530). So clients reach
 * public names over TLS alone, unless a glob of their token names another.
 */
function whyUnfetched(
  { work }: WorkRoute,
  body: ScannedBody,
  name: ModelName,
  caller: Caller,
): RefusalText | undefined {
  if (work === "copy" || work === "delete" || caller.role === "admin") return undefined;
  const insecure = body.members.get("insecure");
  const isSecure = insecure === undefined || insecure.type === "null" || readScalar(body.bytes, insecure) === false;
  if (isSecure && isPublicName(name.host)) return undefined;
  if (
    matchesModelGlobs(
      name.canonical,
      caller.models.filter((glob) => glob.includes("/")),
    )
  )
    return undefined;
  return { code: "model_forbidden", message: "hive: this token may not reach that registry" };
}
