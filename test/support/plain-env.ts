// The environment of commands under test: the caller's own, without what would configure them.
import { settingsSchema } from "../../src/wire/settings.ts";

const SETTINGS: ReadonlySet<string> = new Set([...Object.keys(settingsSchema.shape), "TUNNEL_ACCESS"]);

/** Variables of the caller's that are nothing to Hive, and those given. */
export function plainEnv(given: Readonly<Record<string, string>>): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/^(HIVE|OLLAMA)_/.test(name) && !SETTINGS.has(name));
  return { ...Object.fromEntries(own), ...given };
}
