// Looks at Ollama from beside it: is it up, what has it on disk, what is loaded. Never runs a model.
import type { Heartbeat, ModelOnDisk, RunningModel } from "../../wire/heartbeat.ts";
import type { OllamaClient } from "../relay/ollama-client.ts";
import * as z from "zod";
import { parseModelName } from "../../wire/model-name.ts";
import { call, parseJson } from "../call.ts";
import { ollamaUrl } from "../relay/ollama-client.ts";

const VERSION_LIMIT_MS = 2_000;
const LIST_LIMIT_MS = 5_000;
// Older hosts give no capabilities in the list; what this leaves over is asked at the next probe.
const SHOW_BUDGET_MS = 2_000;
const MAX_MODELS = 2_000;
const MAX_RUNNING = 200;

const detailsSchema = z.record(z.string(), z.unknown());
const versionSchema = z.object({ version: z.string() });
const tagRowSchema = z.object({
  name: z.string().max(500),
  digest: z.string().max(128).default(""),
  size: z.number().nonnegative().default(0),
  modified_at: z.string().max(64).default(""),
  capabilities: z.array(z.string().max(40)).max(32).optional(),
  details: detailsSchema.optional(),
  remote_model: z.string().max(500).optional(),
  remote_host: z.string().max(500).optional(),
});
type TagRow = z.infer<typeof tagRowSchema>;
const runningRowSchema = z.object({
  name: z.string().max(500),
  digest: z.string().max(128).default(""),
  size: z.number().nonnegative().default(0),
  size_vram: z.number().nonnegative().default(0),
  context_length: z.number().nonnegative().default(0),
  expires_at: z.string().max(64).default(""),
  details: detailsSchema.optional(),
});
const statusSchema = z.object({ cloud: z.object({ disabled: z.boolean() }) });
const listSchema = z.object({ models: z.array(z.unknown()).nullish() });
const showSchema = z.object({
  capabilities: z.array(z.string().max(40)).max(32).default([]),
  model_info: detailsSchema.nullish(),
});

type Shown = Pick<ModelOnDisk, "capabilities" | "contextLength">;
export type Observation = Pick<Heartbeat, "backend" | "ollamaVersion" | "cloud" | "models" | "running">;

export class Probe {
  private readonly ollama: OllamaClient;
  private readonly shownByDigest = new Map<string, Shown>();
  private local: ReadonlyMap<string, ModelOnDisk> = new Map();
  private last: Observation = { backend: "down", ollamaVersion: "", models: [], running: [] };

  constructor(ollama: OllamaClient) {
    this.ollama = ollama;
  }

  /** True when Ollama answers its version within 2 s. */
  async isUp(): Promise<boolean> {
    return (await this.readVersion()) !== undefined;
  }

  /** One whole look; a host that is down keeps its list of models. */
  async observe(): Promise<Observation> {
    const version = await this.readVersion();
    if (version === undefined) return this.wentDown();
    const [tags, ps, cloud] = await Promise.all([
      this.readList("/api/tags"),
      this.readList("/api/ps"),
      this.readCloud(),
    ]);
    if (tags === undefined || ps === undefined) return this.wentDown();
    const models = await this.describeModels(rowsOf(tags, tagRowSchema).slice(0, MAX_MODELS));
    const running = rowsOf(ps, runningRowSchema).slice(0, MAX_RUNNING).map(toRunning);
    this.last = { backend: "up", ollamaVersion: version.slice(0, 40), cloud, models, running };
    this.local = localOf(models);
    return this.last;
  }

  /** What is in Ollama's memory at this moment; undefined when it does not answer. */
  async readRunning(): Promise<readonly RunningModel[] | undefined> {
    const rows = await this.readList("/api/ps");
    return rows === undefined ? undefined : rowsOf(rows, runningRowSchema).map(toRunning);
  }

  /** Ollama's own name of a model on disk, by canonical key; undefined for one it does not have or runs elsewhere. */
  nameOf(model: string): string | undefined {
    return this.local.get(model)?.name;
  }

  /** True for a model, by canonical key, that does nothing but embed: Ollama refuses to load it by a generate. */
  embedsOnly(model: string): boolean {
    const capabilities = this.local.get(model)?.capabilities ?? [];
    return capabilities.includes("embedding") && !capabilities.includes("completion");
  }

  private wentDown(): Observation {
    this.last = { ...this.last, backend: "down", ollamaVersion: "", running: [] };
    return this.last;
  }

  private async describeModels(rows: readonly TagRow[]): Promise<ModelOnDisk[]> {
    const stopAt = performance.now() + SHOW_BUDGET_MS;
    const models: ModelOnDisk[] = [];
    for (const row of rows) models.push(toModel(row, await this.shown(row, stopAt)));
    const present = new Set(rows.map((row) => row.digest));
    for (const digest of this.shownByDigest.keys()) if (!present.has(digest)) this.shownByDigest.delete(digest);
    return models;
  }

  private async shown(row: TagRow, stopAt: number): Promise<Shown> {
    const listed = numberOf(row.details?.["context_length"]);
    if (row.capabilities !== undefined && listed !== undefined) {
      return { capabilities: row.capabilities, contextLength: listed };
    }
    const known = this.shownByDigest.get(row.digest);
    if (known !== undefined) return known;
    const nothing: Shown = { capabilities: row.capabilities ?? [] };
    if (performance.now() > stopAt) return nothing;
    const read = showSchema.safeParse(await this.readJson("/api/show", { model: row.name }));
    if (!read.success) return nothing;
    const shown = toShown(read.data);
    this.shownByDigest.set(row.digest, shown);
    return shown;
  }

  private async readVersion(): Promise<string | undefined> {
    const read = versionSchema.safeParse(await this.readJson("/api/version", undefined, VERSION_LIMIT_MS));
    return read.success ? read.data.version : undefined;
  }

  /** An Ollama too old to tell has no cloud. */
  private async readCloud(): Promise<boolean> {
    const read = statusSchema.safeParse(await this.readJson("/api/status"));
    return read.success && !read.data.cloud.disabled;
  }

  private async readList(path: string): Promise<readonly unknown[] | undefined> {
    const read = listSchema.safeParse(await this.readJson(path));
    return read.success ? (read.data.models ?? []) : undefined;
  }

  private async readJson(path: string, body?: object, timeoutMs = LIST_LIMIT_MS): Promise<unknown> {
    const method = body === undefined ? "GET" : "POST";
    const sent = body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) };
    try {
      const answer = await call(ollamaUrl(this.ollama, path), { method, timeoutMs, ...sent });
      return answer.status === 200 ? parseJson(answer.text) : undefined;
    } catch {
      // Down is an observation, not a fault of the agent.
      return undefined;
    }
  }
}

/** Rows that cannot be read are left out: one odd model must not hide the others. */
function rowsOf<Row>(rows: readonly unknown[], schema: z.ZodType<Row>): Row[] {
  return rows.flatMap((row) => {
    const read = schema.safeParse(row);
    return read.success ? [read.data] : [];
  });
}

function toModel(row: TagRow, shown: Shown): ModelOnDisk {
  return {
    name: row.name,
    digest: row.digest,
    sizeBytes: row.size,
    modifiedAt: row.modified_at,
    ...shown,
    ...(row.details === undefined ? {} : { details: row.details }),
    ...(row.remote_model || row.remote_host
      ? { remote: true, remoteModel: row.remote_model ?? "", remoteHost: row.remote_host ?? "" }
      : {}),
  };
}

function toRunning(row: z.infer<typeof runningRowSchema>): RunningModel {
  return {
    name: row.name,
    digest: row.digest,
    contextLength: row.context_length,
    sizeBytes: row.size,
    sizeVramBytes: row.size_vram,
    expiresAt: row.expires_at,
    ...(row.details === undefined ? {} : { details: row.details }),
  };
}

function toShown(read: z.infer<typeof showSchema>): Shown {
  const info = read.model_info ?? {};
  const contextLength = numberOf(info[`${String(info["general.architecture"])}.context_length`]);
  return { capabilities: read.capabilities, ...(contextLength === undefined ? {} : { contextLength }) };
}

/** The models that run here, by canonical key. */
function localOf(models: readonly ModelOnDisk[]): ReadonlyMap<string, ModelOnDisk> {
  return new Map(
    models.flatMap((model) => {
      const parsed = parseModelName(model.name);
      return parsed.ok && model.remote !== true ? [[parsed.value.canonical, model]] : [];
    }),
  );
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}
