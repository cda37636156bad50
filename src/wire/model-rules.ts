// MODEL_RULES: what an operator decides about single models: how many copies, where, and where their files may come from.
import * as z from "zod";

const globs = z.array(z.string().min(1).max(300)).max(64);

export const modelRuleSchema = z
  .strictObject({
    pinned: z.boolean().default(false).describe("Never unloaded by Hive, and kept in memory by Ollama."),
    min: z.int().min(0).max(10_000).default(0).describe("Copies in memory, whatever the demand."),
    max: z.int().min(1).max(10_000).default(10_000).describe("Most copies in memory that Hive makes."),
    hosts: globs.default(["*"]).describe("Globs of the hosts on which Hive may load or pull it."),
    pull: z.boolean().optional().describe("Whether it may be downloaded; AUTO_PULL decides unless given."),
    from: globs.default(["*"]).describe("Globs of the hosts from which its files may be copied."),
  })
  .refine((rule) => rule.min <= rule.max, "min is more than max");
export type ModelRuleSetting = z.infer<typeof modelRuleSchema>;

/** By glob of model names; the first that fits a model counts. */
export const modelRulesSchema = z.record(z.string().min(1).max(300), modelRuleSchema);
export type ModelRules = z.infer<typeof modelRulesSchema>;

/** The rules as the variable holds them: a JSON object. */
export const modelRulesSetting = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.issues.push({ code: "custom", input: text, message: "expected a JSON object" });
      return z.NEVER;
    }
  })
  .pipe(modelRulesSchema);
