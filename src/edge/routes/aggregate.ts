// What one Ollama would list, merged over the fleet from the cell's snapshot; never a live fan-out.
import type { Context } from "hono";
import { newestFirst } from "../../core/catalog.ts";
import type { CatalogModel, CatalogView } from "../../wire/cell-rpc.ts";
import type { ModelOnDisk, RunningModel } from "../../wire/heartbeat.ts";
import type { ModelAliases } from "../../wire/model-aliases.ts";
import { matchesModelGlobs, parseModelName } from "../../wire/model-name.ts";
import { catalogOf } from "../models/catalog.ts";
import { readClientPath } from "../caller/client-path.ts";
import type { HonoEnv } from "../env.ts";
import { nativeJson, translatedJson } from "../go-json.ts";
import { pinOf, whyNotPinned } from "../caller/host-pin.ts";
import { CLOUD_DETAILS_OFF } from "../caller/request-policy.ts";
import { refuse, styleOf } from "../refuse.ts";

/** What a fleet without any host heard yet claims to be: the version whose wire behaviour Hive follows. */
const VERSION_UNKNOWN = "0.33.0";

export const listTags = fromCatalog(({ models }) => nativeJson({ models: models.map(tagRow) }));

export const listRunning = fromCatalog(({ running }) => nativeJson({ models: running.map(runningRow) }));

export const showVersion = fromCatalog(({ version }) =>
  nativeJson({ version: version === "" ? VERSION_UNKNOWN : version }),
);

/** Whether prompts may leave the hosts: no, unless the operator says so. */
export const showStatus = fromCatalog(({ cloud }, c) => {
  const disabled = !cloud || !c.var.prepared.settings.ALLOW_CLOUD_MODELS;
  return nativeJson({ cloud: { disabled, source: disabled ? "config" : "none" } });
});

export const listOpenAiModels = fromCatalog(({ models }) =>
  translatedJson({ object: "list", data: models.map(openAiRow) }),
);

export const showOpenAiModel = fromCatalog(({ models }, c) => {
  const asked = c.req.param("model") ?? "";
  // As in Ollama, where the router sees the decoded path: a namespace cannot be asked for here.
  if (asked.includes("/")) return c.body("404 page not found", 404, { "content-type": "text/plain" });
  const name = parseModelName(asked);
  if (!name.ok) return refuse("openai", { code: "bad_request", message: name.error.message, translated: true });
  // Judged before the compatibility layer, hence the native shape.
  if (name.value.source === "cloud") return refuse("ollama", { code: "cloud_forbidden", message: CLOUD_DETAILS_OFF });
  const found = models.find((model) => keyOf(model.name) === name.value.canonical);
  if (found !== undefined) return translatedJson({ ...openAiRow(found), id: asked });
  return refuse("openai", { code: "unknown_model", message: `model '${name.value.display}' not found` });
});

function tagRow(model: ModelOnDisk): object {
  return {
    name: model.name,
    model: model.name,
    ...(model.remote === true ? { remote_model: model.remoteModel ?? "", remote_host: model.remoteHost ?? "" } : {}),
    modified_at: model.modifiedAt,
    size: model.sizeBytes,
    digest: model.digest,
    details: model.details ?? {},
    capabilities: model.capabilities,
  };
}

function runningRow(model: RunningModel): object {
  return {
    name: model.name,
    model: model.name,
    size: model.sizeBytes,
    digest: model.digest,
    details: model.details ?? {},
    expires_at: model.expiresAt,
    size_vram: model.sizeVramBytes,
    context_length: model.contextLength,
  };
}

function openAiRow(model: ModelOnDisk): object {
  const name = parseModelName(model.name);
  const created = Math.floor(Date.parse(model.modifiedAt) / 1000);
  return {
    id: model.name,
    object: "model",
    created: Number.isFinite(created) ? created : 0,
    owned_by: name.ok ? name.value.namespace : "library",
  };
}

function keyOf(text: string): string | undefined {
  const name = parseModelName(text);
  return name.ok ? name.value.stored : undefined;
}

type IsAllowed = (name: string) => boolean;

/** Other names are listed like models, for clients that look before they ask; and instead of the models they hide. */
function withAliases(models: readonly CatalogModel[], aliases: ModelAliases, isAllowed: IsAllowed): CatalogModel[] {
  const shown = models.filter(({ name }) => isAllowed(name) && !aliases.has(keyOf(name) ?? ""));
  if (aliases.size === 0) return shown;
  const byKey = new Map(models.map((model) => [keyOf(model.name), model]));
  for (const { display, target } of aliases.values()) {
    const model = byKey.get(target.stored);
    if (model !== undefined && (isAllowed(display) || isAllowed(model.name))) shown.push({ ...model, name: display });
  }
  return shown.sort(newestFirst);
}

/** Running models go by the names that answers carry; who may use another name of one may see it run. */
function runningFor(running: readonly RunningModel[], aliases: ModelAliases, isAllowed: IsAllowed): RunningModel[] {
  const known = new Set([...aliases.values()].filter((a) => isAllowed(a.display)).map((a) => a.target.stored));
  return running.filter(({ name }) => isAllowed(name) || known.has(keyOf(name) ?? ""));
}

/** Answers from the models of the caller's pool, or of the one host it names; only what it may use exists for it. */
function fromCatalog(answer: (catalog: CatalogView, c: Context<HonoEnv>) => Response) {
  return async function answerFromCatalog(c: Context<HonoEnv>): Promise<Response> {
    const style = styleOf(readClientPath(c.req.url).path);
    const barred = whyNotPinned(c);
    if (barred !== undefined) return refuse(style, barred);
    const { principal, models } = c.var.caller;
    const catalog = await catalogOf(c, { pool: principal.pool, hostId: pinOf(c) });
    if (catalog === undefined) return refuse(style, { code: "unknown_host", message: "hive: no such host" });
    const aliases = c.var.prepared.settings.MODEL_ALIASES;
    const isAllowed: IsAllowed = (name) => matchesModelGlobs(name, models);
    const listed = withAliases(catalog.models, aliases, isAllowed);
    return answer({ ...catalog, models: listed, running: runningFor(catalog.running, aliases, isAllowed) }, c);
  };
}
