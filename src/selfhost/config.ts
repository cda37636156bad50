// What the edge runs with on this machine: wrangler.toml, with environment variables of the same name before it.
import type { Result } from "../wire/result.ts";
import type { Settings } from "../wire/settings.ts";
import { readSettings, settingsSchema } from "../wire/settings.ts";
import { readTunnelAccess } from "../wire/tunnel-access.ts";
import { whyUnusable } from "./usable-settings.ts";
import { readWranglerFile } from "./wrangler-file.ts";

export interface EdgeConfig {
  /** Absolute path of the Worker's entry. */
  readonly main: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  /** As bound to the Worker. */
  readonly vars: Readonly<Record<string, unknown>>;
  /** The same, read. */
  readonly settings: Settings;
}

export interface ConfigSource {
  readonly projectDir: string;
  readonly stateDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Reads and checks the configuration; the error is one line that names the variable. */
export async function readEdgeConfig(source: ConfigSource): Promise<Result<EdgeConfig, string>> {
  const file = await readWranglerFile(source.projectDir, source.stateDir);
  if (!file.ok) return file;
  const vars = mergeVars(file.value.vars, source.env);
  const settings = readSettings(vars);
  if (!settings.ok) return settings;
  const unusable = whyUnusable(settings.value);
  if (unusable !== undefined) return { ok: false, error: unusable };
  const tunnelAccess = readTunnelAccess(source.env["TUNNEL_ACCESS"]);
  if (!tunnelAccess.ok) return tunnelAccess;
  return {
    ok: true,
    value: {
      main: file.value.main,
      compatibilityDate: file.value.compatibility_date,
      compatibilityFlags: file.value.compatibility_flags,
      vars,
      settings: settings.value,
    },
  };
}

/** Environment before file. Local hosts are what plain workerd is for, so only the environment can forbid them here. */
export function mergeVars(
  fileVars: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...fileVars, ALLOW_LOCAL_HOSTS: "true" };
  for (const name of new Set([...Object.keys(settingsSchema.shape), ...Object.keys(fileVars)])) {
    const given = env[name];
    if (given !== undefined && given !== "") merged[name] = given;
  }
  return merged;
}
