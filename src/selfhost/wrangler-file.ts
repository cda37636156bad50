// wrangler.toml as wrangler itself reads it, remembered in the state folder because loading wrangler takes most of a second.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Result } from "../wire/result.ts";
import { readIfThere, writeWhole } from "./files.ts";

const wranglerFileSchema = z.object({
  main: z.string().describe("Absolute path of the Worker's entry."),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()),
  vars: z.record(z.string(), z.unknown()),
});
export type WranglerFile = z.infer<typeof wranglerFileSchema>;

const rememberedSchema = z.object({ key: z.string(), file: wranglerFileSchema });

/** Reads the project's wrangler.toml; the error is one line that says where it is wrong. */
export async function readWranglerFile(projectDir: string, stateDir: string): Promise<Result<WranglerFile, string>> {
  const path = join(projectDir, "wrangler.toml");
  const text = await readIfThere(path);
  if (text === undefined) return { ok: false, error: `there is no ${path}` };
  const rememberedPath = join(stateDir, "build", "wrangler.json");
  const key = createHash("sha256").update(`${path}\n${text}`).digest("hex");
  const remembered = rememberedSchema.safeParse(await readJson(rememberedPath));
  if (remembered.success && remembered.data.key === key) return { ok: true, value: remembered.data.file };

  const read = await askWrangler(path);
  if (read.ok) await writeWhole(rememberedPath, JSON.stringify({ key, file: read.value }));
  return read;
}

async function askWrangler(path: string): Promise<Result<WranglerFile, string>> {
  // Loaded by a name the type checker does not follow: wrangler's types would bring the Workers globals into Node rooms.
  const moduleName: string = "wrangler";
  const wrangler = (await import(moduleName)) as {
    unstable_readConfig(args: { config: string }, options: { hideWarnings: boolean }): unknown;
  };
  try {
    const config = wrangler.unstable_readConfig({ config: path }, { hideWarnings: true });
    const parsed = wranglerFileSchema.safeParse(config);
    if (parsed.success) return { ok: true, value: parsed.data };
    const issue = parsed.error.issues[0];
    return { ok: false, error: `wrangler.toml: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "bad value"}` };
  } catch (error) {
    const lines = error instanceof Error ? error.message.split("\n") : [];
    const text = lines.map((line) => line.trim()).filter((line) => line !== "");
    return { ok: false, error: `wrangler.toml: ${text.join(" ") || "cannot be read"}` };
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    // A missing or damaged memory is made anew.
    return undefined;
  }
}
