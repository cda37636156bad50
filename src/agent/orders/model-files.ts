// Ollama's model store on disk: which files a model consists of (server/modelpath.go, manifest/manifest.go).
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { parseModelName } from "../../wire/model-name.ts";
import { parseJson } from "../call.ts";

const DIGEST = /^sha256:[0-9a-f]{64}$/;

const layerSchema = z.object({ digest: z.string().regex(DIGEST), size: z.number().nonnegative() });
const manifestSchema = z.object({ config: layerSchema, layers: z.array(layerSchema).max(1_000) });

export interface Blob {
  /** `sha256:…` */
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface ModelFiles {
  /** The manifest as it lies on disk: its SHA-256 is the model's digest. */
  readonly manifest: Buffer;
  readonly blobs: readonly Blob[];
}

/** The files of a manifest, each once; undefined for what is none. */
export function readManifest(manifest: Buffer): ModelFiles | undefined {
  const parsed = manifestSchema.safeParse(parseJson(manifest.toString("utf8")));
  if (!parsed.success) return undefined;
  const layers = [...parsed.data.layers, parsed.data.config];
  const sizes = new Map(layers.map(({ digest, size }) => [digest, size]));
  return { manifest, blobs: [...sizes].map(([digest, sizeBytes]) => ({ digest, sizeBytes })) };
}

/** The files of a model by its canonical key; undefined where the store does not have it whole in name. */
export async function findModelFiles(modelsDir: string, key: string): Promise<ModelFiles | undefined> {
  const parts = partsOf(key);
  if (parts === undefined) return undefined;
  let path = join(modelsDir, "manifests");
  for (const part of parts) {
    // Names keep their case on disk, and the key has none.
    const entries = await readdir(path).catch(() => []);
    const entry = entries.find((name) => name.toLowerCase() === part);
    if (entry === undefined) return undefined;
    path = join(path, entry);
  }
  const manifest = await readFile(path).catch(() => undefined);
  return manifest === undefined ? undefined : readManifest(manifest);
}

/** Where a model's manifest belongs; undefined for what is no name. */
export function manifestPath(modelsDir: string, key: string): string | undefined {
  const parts = partsOf(key);
  return parts === undefined ? undefined : join(modelsDir, "manifests", ...parts);
}

/** Where a blob lies: a digest that was checked cannot leave the folder. */
export function blobPath(modelsDir: string, digest: string): string {
  if (!DIGEST.test(digest)) throw new RangeError("not a digest");
  return join(modelsDir, "blobs", digest.replace(":", "-"));
}

/** Host, namespace, model and tag; a name that Ollama would take has no part that climbs. */
function partsOf(key: string): string[] | undefined {
  const name = parseModelName(key);
  if (!name.ok) return undefined;
  const { host, namespace, model, tag } = name.value;
  const parts = [host, namespace, model, tag].map((part) => part.toLowerCase());
  return parts.some((part) => part === "" || part.startsWith(".") || /[\\/]/.test(part)) ? undefined : parts;
}
