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
  MAX_INSTANCES: whole(1, 10_000).prefault("10").describe("Most hosts registered at once."),
  MIN_INSTANCES: whole(0, 10_000).prefault("0").describe("Autoscaling never goes below."),
  TIMEOUT: durationSetting.prefault("500ms").describe("Most time a host may take to accept a request."),
  LOAD_BALANCING_STRATEGY: z.enum(POLICY_NAMES).prefault("predicted_latency").describe("How a host is chosen."),
  MODEL_POLICY: pairsSetting(z.enum(POLICY_NAMES))
    .prefault("")
    .describe("How a host is chosen for single models: GLOB=STRATEGY, comma-separated, the first that fits."),
  HOST_TIERS: pairsSetting(tier)
    .prefault("")
    .describe("Tiers of hosts for the strategy priority: GLOB=TIER, lower first; hosts that fit none are of tier 0."),
  CONTEXT_SIZES: sizes
    .prefault("")
    .describe("Contexts (num_ctx) that requests are rounded up to, tokens, comma-separated; empty: as they ask."),
  QUEUE_TIMEOUT: durationSetting.prefault("30s").describe("Most time a request waits for a slot."),
  QUEUE_LIMIT: whole(0, 100_000).prefault("256").describe("Most requests waiting in a cell."),
  HEARTBEAT_INTERVAL: durationSetting.prefault("5s").describe("Time between heartbeats."),
  REQUEST_LIMIT: positive.prefault("30m").describe("Most time a request may take, from its arrival to its last byte."),
  EARLY_COMMIT: durationSetting.prefault("240s").describe("When an answer that has not begun is committed with 200."),
  KEEP_ALIVE: positive.prefault("15s").describe("A byte at least this often on the way from an agent."),
  STALL_LIMIT: positive.prefault("60s").describe("Longest silence inside an answer; twice that with tools or format."),
  ABANDON_LOADS: z
    .string()
    .transform((text) => (text === "never" ? undefined : text))
    .pipe(durationSetting.optional())
    .prefault("never")
    .describe("How long after the last who waited has left a load is given up; or never."),
  SCALE_WAIT: positive.prefault("2s").describe("What 95 % of requests shall not wait longer than for a slot."),
  SCALE_WINDOW: positive.prefault("2m").describe("The newest requests that a change of load is looked for in."),
  SCALE_COOLDOWN: positive.prefault("5m").describe("How long less must have been enough before there is less."),
  SCALER_URL: scalerSetting.prefault("").describe("Where orders for hosts are posted; poll if they are fetched."),
  SCALER_DEADLINE: positive.prefault("5m").describe("Within what time an order for hosts is to be carried out."),
  AUTO_PULL: list.prefault("").describe("Globs of models that may be downloaded to hosts that lack them."),
  MODEL_RULES: modelRulesSetting.prefault("{}").describe("Rules for models, by glob: JSON."),
  MAX_BODY: sizeSetting.prefault("32MB").describe("Largest request body the edge reads."),
  HOST_DOMAINS: list.prefault("").describe("Suffixes a host's tunnel hostname may have."),
  ALLOW_LOCAL_HOSTS: flag.prefault("false").describe("Whether http://127.0.0.1:PORT may be a host."),
  TRUSTED_ISSUERS: trustedIssuersSetting.prefault("[]").describe("Other issuers of tokens: JSON."),
  ALLOWED_ORIGINS: list.prefault("").describe("Web origins that may call, beside Ollama's defaults; * for all."),
  MODEL_ALIASES: aliases.prefault("").describe("Other names for models, as gpt-4o-mini=llama3.2:3b, comma-separated."),
  ALLOW_CLOUD_MODELS: flag.prefault("false").describe("Whether models that leave the host are served."),
  CELLS: cellsSetting.prefault("").describe("Cells as POOL:REGION[:SHARD], comma-separated; empty is one."),
  HIVE_ISSUER: z.string().min(1).max(200).prefault("hive").describe("Issuer name in every token of this Hive."),
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
