// The configuration variables of the contract: names, defaults and what a bad value is told.
import * as z from "zod";
import { cellsSetting } from "./cells.ts";
import { durationSetting } from "./duration.ts";
import { pairsSetting } from "./pairs.ts";
import { modelRulesSetting } from "./model-rules.ts";
import { parseModelAliases } from "./model-aliases.ts";
import { sizeSetting } from "./size.ts";
import { trustedIssuersSetting } from "./trusted-issuers.ts";

const whole = (min: number, max: number) =>
  z.string().regex(/^\d+$/, "expected a whole number").transform(Number).pipe(z.int().min(min).max(max));
const positive = durationSetting.refine((durationMs) => durationMs > 0, "expected more than nothing");
const tier = z
  .string()
  .regex(/^\d{1,3}$/)
  .transform(Number);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== ""),
);

const scalerSetting = z
  .string()
  .regex(/^(poll|https?:\/\/[^\s/@?#]+(\/\S*)?)?$/, "expected an http or https URL, or poll");

const sizes = list.pipe(
  z.array(
    z
      .string()
      .regex(/^\d{1,9}$/, "expected whole numbers with commas between")
      .transform(Number),
  ),
);

const aliases = z.string().transform((text, context) => {
  const parsed = parseModelAliases(text);
  if (parsed.ok) return parsed.value;
  context.issues.push({ code: "custom", input: text, message: parsed.error });
  return z.NEVER;
});

export const POLICY_NAMES = [
  "predicted_latency",
  "round_robin",
  "random",
  "least_connections",
  "power_of_two",
  "priority",
  "sticky",
] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

export const settingsSchema = z.object({
  /** Most hosts registered at once. */
  MAX_INSTANCES: whole(1, 10_000).prefault("10"),
  /** Autoscaling never goes below. */
  MIN_INSTANCES: whole(0, 10_000).prefault("0"),
  /** Most time a host may take to accept a request. */
  TIMEOUT: durationSetting.prefault("500ms"),
  /** How a host is chosen. */
  LOAD_BALANCING_STRATEGY: z.enum(POLICY_NAMES).prefault("predicted_latency"),
  /** How a host is chosen for single models: GLOB=STRATEGY, comma-separated, the first that fits. */
  MODEL_POLICY: pairsSetting(z.enum(POLICY_NAMES)).prefault(""),
  /** Tiers of hosts for the strategy priority: GLOB=TIER, lower first; hosts that fit none are of tier 0. */
  HOST_TIERS: pairsSetting(tier).prefault(""),
  /** Contexts (num_ctx) that requests are rounded up to, tokens, comma-separated; empty: as they ask. */
  CONTEXT_SIZES: sizes.prefault(""),
  /** Most time a request waits for a slot. */
  QUEUE_TIMEOUT: durationSetting.prefault("30s"),
  /** Most requests waiting in a cell. */
  QUEUE_LIMIT: whole(0, 100_000).prefault("256"),
  /** Time between heartbeats. */
  HEARTBEAT_INTERVAL: durationSetting.prefault("5s"),
  /** Most time a request may take, from its arrival to its last byte. */
  REQUEST_LIMIT: positive.prefault("30m"),
  /** When an answer that has not begun is committed with 200. */
  EARLY_COMMIT: durationSetting.prefault("240s"),
  /** A byte at least this often on the way from an agent. */
  KEEP_ALIVE: positive.prefault("15s"),
  /** Longest silence inside an answer; twice that with tools or format. */
  STALL_LIMIT: positive.prefault("60s"),
  /** How long after the last who waited has left a load is given up; or never. */
  ABANDON_LOADS: z
    .string()
    .transform((text) => (text === "never" ? undefined : text))
    .pipe(durationSetting.optional())
    .prefault("never"),
  /** What 95 % of requests shall not wait longer than for a slot. */
  SCALE_WAIT: positive.prefault("2s"),
  /** The newest requests that a change of load is looked for in. */
  SCALE_WINDOW: positive.prefault("2m"),
  /** How long less must have been enough before there is less. */
  SCALE_COOLDOWN: positive.prefault("5m"),
  /** Where orders for hosts are posted; poll if they are fetched. */
  SCALER_URL: scalerSetting.prefault(""),
  /** Within what time an order for hosts is to be carried out. */
  SCALER_DEADLINE: positive.prefault("5m"),
  /** Globs of models that may be downloaded to hosts that lack them. */
  AUTO_PULL: list.prefault(""),
  /** Rules for models, by glob: JSON. */
  MODEL_RULES: modelRulesSetting.prefault("{}"),
  /** Largest request body the edge reads. */
  MAX_BODY: sizeSetting.prefault("32MB"),
  /** Suffixes a host's tunnel hostname may have. */
  HOST_DOMAINS: list.prefault(""),
  /** Whether http://127.0.0.1:PORT may be a host. */
  ALLOW_LOCAL_HOSTS: flag.prefault("false"),
  /** Other issuers of tokens: JSON. */
  TRUSTED_ISSUERS: trustedIssuersSetting.prefault("[]"),
  /** Web origins that may call, beside Ollama's defaults; * for all. */
  ALLOWED_ORIGINS: list.prefault(""),
  /** Other names for models, as gpt-4o-mini=llama3.2:3b, comma-separated. */
  MODEL_ALIASES: aliases.prefault(""),
  /** Whether models that leave the host are served. */
  ALLOW_CLOUD_MODELS: flag.prefault("false"),
  /** Cells as POOL:REGION[:SHARD], comma-separated; empty is one. */
  CELLS: cellsSetting.prefault(""),
  /** Issuer name in every token of this Hive. */
  HIVE_ISSUER: z.string().min(1).max(200).prefault("hive"),
});
export type Settings = z.output<typeof settingsSchema>;

/** Reads the variables of an environment; a bad value is named, never replaced. */
export function readSettings(
  env: Readonly<Record<string, unknown>>,
): { ok: true; value: Settings } | { ok: false; error: string } {
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(settingsSchema.shape)) {
    const value = env[name];
    if (value !== undefined && value !== "") given[name] = value;
  }
  const parsed = settingsSchema.safeParse(given);
  if (parsed.success) return { ok: true, value: parsed.data };
  const first = parsed.error.issues[0];
  return { ok: false, error: `${first?.path.join(".") ?? "settings"}: ${first?.message ?? "bad value"}` };
}
