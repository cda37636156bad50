// Bundles the Worker into one ES module for plain workerd, and only when one of its sources changed.
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as z from "zod";
import type { Result } from "../wire/result.ts";
import { readIfThere, writeWhole } from "./files.ts";

const manifestSchema = z.object({
  entry: z.string(),
  bundle: z.string().describe("SHA-256 of the bundle."),
  inputs: z.record(z.string(), z.string()).describe("Absolute path of each source → SHA-256 of its bytes."),
});

/** Builds `STATE/build/worker.js` and gives its path; the error is esbuild's first message in one line. */
export async function buildWorker(
  entry: string,
  projectDir: string,
  stateDir: string,
): Promise<Result<string, string>> {
  const outputPath = join(stateDir, "build", "worker.js");
  const manifestPath = join(stateDir, "build", "worker.json");
  if (await isFresh(entry, outputPath, manifestPath)) return { ok: true, value: outputPath };
  const isThere = await stat(entry).then(
    () => true,
    () => false,
  );
  if (!isThere) return { ok: false, error: `the Worker's entry ${entry} is missing` };

  const bundled = await bundle(entry, projectDir);
  if (!bundled.ok) return bundled;
  const inputs: Record<string, string> = {};
  for (const path of bundled.value.inputs) inputs[path] = digest(await readFile(path));
  await writeWhole(outputPath, bundled.value.code, 0o644);
  // The manifest last: without it the bundle counts as stale.
  const manifest = { entry, bundle: digest(bundled.value.code), inputs };
  await writeWhole(manifestPath, JSON.stringify(manifest), 0o644);
  return { ok: true, value: outputPath };
}

async function bundle(entry: string, projectDir: string): Promise<Result<{ code: string; inputs: string[] }, string>> {
  const esbuild = await import("esbuild");
  try {
    const result = await esbuild.build({
      absWorkingDir: projectDir,
      entryPoints: [entry],
      bundle: true,
      format: "esm",
      target: "es2024",
      platform: "neutral",
      mainFields: ["module", "main"],
      conditions: ["workerd", "worker", "browser"],
      external: ["cloudflare:*", "node:*"],
      metafile: true,
      write: false,
      logLevel: "silent",
    });
    const inputs = Object.keys(result.metafile.inputs).map((path) => resolve(projectDir, path));
    return { ok: true, value: { code: result.outputFiles[0]?.text ?? "", inputs } };
  } catch (error) {
    return { ok: false, error: `cannot build the Worker: ${firstMessage(error)}` };
  }
}

const buildFailureSchema = z.object({
  errors: z
    .array(z.object({ text: z.string(), location: z.object({ file: z.string(), line: z.number() }).nullish() }))
    .min(1),
});

function firstMessage(error: unknown): string {
  const failure = buildFailureSchema.safeParse(error);
  const first = failure.success ? failure.data.errors[0] : undefined;
  if (first === undefined) return error instanceof Error ? (error.message.split("\n")[0] ?? "") : "esbuild failed";
  return first.location ? `${first.location.file}:${String(first.location.line)}: ${first.text}` : first.text;
}

async function isFresh(entry: string, outputPath: string, manifestPath: string): Promise<boolean> {
  const [code, manifestText] = await Promise.all([readIfThere(outputPath), readIfThere(manifestPath)]);
  if (code === undefined || manifestText === undefined) return false;
  const manifest = manifestSchema.safeParse(parseJson(manifestText));
  if (!manifest.success || manifest.data.entry !== entry || manifest.data.bundle !== digest(code)) return false;
  for (const [path, known] of Object.entries(manifest.data.inputs)) {
    const source = await readIfThere(path);
    if (source === undefined || digest(source) !== known) return false;
  }
  return true;
}

function digest(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
