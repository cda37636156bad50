// Fetches a model's files from another host of the site instead of downloading them: resumed where it broke, checked by digest.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get as httpGet } from "node:http";
import { dirname } from "node:path";
import { blobPath, manifestPath, readManifest } from "./model-files.ts";
import type { Blob } from "./model-files.ts";
import { isSiteUrl } from "./site-address.ts";
import { SHARED_BLOB, SHARED_MANIFEST } from "./share.ts";

const MANIFEST_MAX_BYTES = 1_000_000;
/** Silence of the other host. */
const SILENCE_MS = 30_000;
/** Breaks in a row, without a byte between them, after which the other host is given up. */
const FRUITLESS_TRIES = 3;

export interface CopySource {
  readonly hostId: string;
  readonly url: string;
  readonly token: string;
}

export interface CopyOptions {
  readonly modelsDir: string;
  /** Canonical key. */
  readonly model: string;
  /** The model's digest: SHA-256 of its manifest, 64 hex digits. */
  readonly digest: string;
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** Copies a model; on return it is whole in Ollama's store, and Ollama lists it. Rejects and leaves no half model. */
export async function copyModel(source: CopySource, options: CopyOptions): Promise<void> {
  const { modelsDir, model, digest, onProgress } = options;
  if (!isSiteUrl(source.url)) throw new Error("the other host's address is not of this site");
  const target = manifestPath(modelsDir, model);
  const manifest = await readSmall(await ask(source, SHARED_MANIFEST, 0, options.signal));
  const files = readManifest(manifest);
  if (target === undefined || files === undefined) throw new Error("the other host's manifest cannot be read");
  if (createHash("sha256").update(manifest).digest("hex") !== digest)
    throw new Error("the other host has another model");
  const totalBytes = files.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  await mkdir(dirname(blobPath(modelsDir, `sha256:${digest}`)), { recursive: true });
  let doneBytes = 0;
  for (const blob of files.blobs) {
    const before = doneBytes;
    await copyBlob(source, blob, options, (bytes) => onProgress(before + bytes, totalBytes));
    doneBytes += blob.sizeBytes;
    onProgress(doneBytes, totalBytes);
  }
  // The manifest last: a model exists for Ollama from then on.
  await mkdir(dirname(target), { recursive: true });
  await writeFile(`${target}.new`, manifest);
  await rename(`${target}.new`, target);
}

async function copyBlob(
  source: CopySource,
  blob: Blob,
  { modelsDir, signal }: CopyOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const path = blobPath(modelsDir, blob.digest);
  if ((await sizeOf(path)) === blob.sizeBytes) return;
  const partial = `${path}-hive`;
  let fruitless = 0;
  for (let size = (await sizeOf(partial)) ?? 0; size < blob.sizeBytes;) {
    try {
      await appendFrom(source, { blob, partial, offset: size }, signal, onBytes);
    } catch (cause) {
      signal.throwIfAborted();
      const now = (await sizeOf(partial)) ?? 0;
      fruitless = now > size ? 0 : fruitless + 1;
      if (fruitless >= FRUITLESS_TRIES) throw cause;
    }
    size = (await sizeOf(partial)) ?? 0;
  }
  if ((await sizeOf(partial)) === undefined) await writeFile(partial, "");
  if (`sha256:${await hashOf(partial)}` !== blob.digest) {
    await rm(partial, { force: true });
    throw new Error("the digest of a file does not match; it was dropped");
  }
  await rename(partial, path);
}

interface Part {
  readonly blob: Blob;
  readonly partial: string;
  readonly offset: number;
}

async function appendFrom(
  source: CopySource,
  { blob, partial, offset }: Part,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const answer = await ask(source, `${SHARED_BLOB}${blob.digest}`, offset, signal);
  // A host that does not know ranges sends all of it.
  let size = answer.statusCode === 206 ? offset : 0;
  const file = await open(partial, size === 0 ? "w" : "a");
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > blob.sizeBytes) throw new Error("the other host sends more than the file has");
      await file.write(chunk);
      onBytes(size);
    }
  } finally {
    await file.close();
  }
  if (size < blob.sizeBytes) throw new Error("the other host's answer broke off");
}

/** Asks the other host for a path from an offset on; rejects unless it gives it. */
async function ask(source: CopySource, path: string, offset: number, signal: AbortSignal): Promise<IncomingMessage> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpGet(new URL(path, source.url), {
      headers: { authorization: `Bearer ${source.token}`, ...(offset > 0 ? { range: `bytes=${offset}-` } : {}) },
      signal,
      timeout: SILENCE_MS,
      agent: false,
    });
    request.once("response", resolve);
    request.once("timeout", () => request.destroy(new Error("the other host is silent")));
    request.on("error", reject);
  });
  if (answer.statusCode === 200 || answer.statusCode === 206) return answer;
  answer.resume();
  throw new Error(`the other host answered ${String(answer.statusCode)}`);
}

async function readSmall(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MANIFEST_MAX_BYTES) throw new Error("the other host's manifest is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}
