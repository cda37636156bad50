// The smallest value that fits a JSON schema: answers in JSON and arguments of tool calls.

// A schema may refer to itself: below this depth optional parts are left out.
const MAX_DEPTH = 8;

/** A value that the schema accepts; what the schema leaves open is filled with a word from the given text. */
export function valueForSchema(schema: unknown, word: string): unknown {
  return build(schema, { root: schema, word, depth: 0 });
}

type Context = { readonly root: unknown; readonly word: string; readonly depth: number };

function build(schema: unknown, context: Context): unknown {
  if (!isRecord(schema) || context.depth > MAX_DEPTH) return context.word;
  const inner = { ...context, depth: context.depth + 1 };
  if (typeof schema["$ref"] === "string") return build(resolve(schema["$ref"], context.root), inner);
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"])) return schema["enum"][0];
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    const choices = schema[key];
    if (Array.isArray(choices) && choices.length > 0) return build(choices[0], inner);
  }
  return ofType(schema, inner);
}

function ofType(schema: Record<string, unknown>, context: Context): unknown {
  const declared = schema["type"];
  const type: unknown = Array.isArray(declared) ? declared[0] : declared;
  switch (type) {
    case "string":
      return context.word;
    case "integer":
    case "number":
      return typeof schema["minimum"] === "number" ? schema["minimum"] : 7;
    case "boolean":
      return true;
    case "null":
      return null;
    case "array":
      return Array.from({ length: numberOr(schema["minItems"], 1) }, () => build(schema["items"], context));
    default:
      return "properties" in schema || type === "object" ? objectFor(schema, context) : context.word;
  }
}

function objectFor(schema: Record<string, unknown>, context: Context): Record<string, unknown> {
  const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const wanted = Object.entries(properties).filter(([key]) => context.depth < MAX_DEPTH / 2 || required.includes(key));
  return Object.fromEntries(wanted.map(([key, value]) => [key, build(value, context)]));
}

function resolve(ref: string, root: unknown): unknown {
  let at: unknown = root;
  for (const part of ref.replace(/^#\/?/, "").split("/")) {
    at = part === "" ? at : isRecord(at) ? at[part] : undefined;
  }
  return at;
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
