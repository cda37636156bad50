// A list of `GLOB=VALUE` pairs, as settings write it: the first glob that fits counts.
import * as z from "zod";

export interface Pair<Value> {
  readonly glob: string;
  readonly value: Value;
}

/** A setting such as `llama3*=sticky,*=random`; each value must be one of the schema's. */
export function pairsSetting<Value>(schema: z.ZodType<Value, string>) {
  return z.string().transform((text, context): Pair<Value>[] => {
    const pairs: Pair<Value>[] = [];
    for (const part of text.split(",").filter((each) => each.trim() !== "")) {
      const cut = part.lastIndexOf("=");
      const glob = part.slice(0, Math.max(0, cut)).trim().toLowerCase();
      const value = schema.safeParse(part.slice(cut + 1).trim());
      if (!/^[^\s=;]+$/.test(glob) || !value.success) {
        const message = `expected GLOB=VALUE pairs with commas between, not ${JSON.stringify(part.trim())}`;
        context.issues.push({ code: "custom", input: text, message });
        return z.NEVER;
      }
      pairs.push({ glob, value: value.data });
    }
    return pairs;
  });
}
