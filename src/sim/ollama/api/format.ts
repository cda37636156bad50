// `format`: an answer in JSON, any or by a schema.
import type { GoNode } from "../go/go-scan.ts";
import { goJson, goQuote } from "../go/go-json.ts";
import { decodeAs, goAny } from "../go/go-types.ts";
import { Refusal } from "../refusal.ts";
import { valueForSchema } from "./schema-value.ts";

/** The whole answer that a `format` asks for, or undefined for plain words. */
export function formatText(format: GoNode | null, stream: boolean): string | undefined {
  if (format === null || format.kind === "null" || (format.kind === "string" && format.value === "")) return undefined;
  if (format.kind === "string" && format.value === "json") return goJson({ answer: "honey", bees: 7 });
  const plain = decodeAs(goAny, format);
  if (format.kind === "object") return goJson(valueForSchema(plain, "honey"));
  throw new Refusal(
    500,
    `invalid format: ${goQuote(JSON.stringify(plain))}; expected "json" or a valid JSON Schema object`,
    stream,
  );
}
