// What one Ollama would list, merged over the fleet from the cell's snapshot; never a live fan-out.
import type { Context } from "hono";
import type { CatalogView } from "../../wire/cell-rpc.ts";
import type { ModelOnDisk } from "../../wire/heartbeat.ts";
import { matchesModelGlobs, parseModelName } from "../../wire/model-name.ts";
import { cellOf } from "../env.ts";
import type { HonoEnv } from "../env.ts";
import { refuse } from "../refuse.ts";

/** What a fleet without any host heard yet claims to be: the version whose wire behaviour Hive follows. */
const VERSION_UNKNOWN = "0.33.0";

export async function listTags(c: Context<HonoEnv>): Promise<Response> {
  const { models } = await visible(c);
  return c.json({
    models: models.map((model) => ({
      name: model.name,
      model: model.name,
      modified_at: model.modifiedAt,
      size: model.sizeBytes,
      digest: model.digest,
      details: model.details ?? {},
      capabilities: model.capabilities,
    })),
  });
}

export async function listRunning(c: Context<HonoEnv>): Promise<Response> {
  const { running } = await visible(c);
  return c.json({
    models: running.map((model) => ({
      name: model.name,
      model: model.name,
      size: model.sizeBytes,
      digest: model.digest,
      details: model.details ?? {},
      expires_at: model.expiresAt,
      size_vram: model.sizeVramBytes,
      context_length: model.contextLength,
    })),
  });
}

export async function showVersion(c: Context<HonoEnv>): Promise<Response> {
  const { version } = await cellOf(c.env).readCatalog();
  return c.json({ version: version === "" ? VERSION_UNKNOWN : version });
}

/** Whether prompts may leave the hosts: no, unless the operator says so. */
export function showStatus(c: Context<HonoEnv>): Response {
  const disabled = !c.var.prepared.settings.ALLOW_CLOUD_MODELS;
  return c.json({ cloud: { disabled, source: disabled ? "config" : "none" } });
}

export async function listOpenAiModels(c: Context<HonoEnv>): Promise<Response> {
  const { models } = await visible(c);
  return c.json({ object: "list", data: models.map(openAiRow) });
}

export async function showOpenAiModel(c: Context<HonoEnv>): Promise<Response> {
  const asked = c.req.param("model") ?? "";
  const name = parseModelName(asked);
  const { models } = await visible(c);
  const found = models.find((model) => name.ok && keyOf(model.name) === name.value.canonical);
  if (found !== undefined) return c.json({ ...openAiRow(found), id: asked });
  return refuse("openai", { code: "unknown_model", message: `model '${asked}' not found` });
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
  return name.ok ? name.value.canonical : undefined;
}

/** Only what the caller may use exists for it. */
async function visible(c: Context<HonoEnv>): Promise<CatalogView> {
  const catalog = await cellOf(c.env).readCatalog();
  const allowed = (row: { readonly name: string }) => matchesModelGlobs(row.name, c.var.caller.models);
  return { ...catalog, models: catalog.models.filter(allowed), running: catalog.running.filter(allowed) };
}
