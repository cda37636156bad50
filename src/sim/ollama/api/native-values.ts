// Values of Ollama's own API that Ollama unmarshals itself: how long a model stays loaded, and how hard it thinks.
import type { GoNode } from "../go/go-scan.ts";
import { GoCustomError, goCustom } from "../go/go-types.ts";

export type Think = boolean | "high" | "medium" | "low" | "max";

/** keep_alive in milliseconds; a negative one means for ever. */
export const durationType = goCustom("api.Duration", () => DEFAULT_KEEP_ALIVE_MS, readDuration);

/** think: a boolean or a level. */
export const thinkType = goCustom<Think>("api.ThinkValue", () => false, readThink);

export const DEFAULT_KEEP_ALIVE_MS = 5 * 60_000;

function readDuration(node: GoNode): number {
  if (node.kind === "number") return foreverIfNegative(Number(node.text) * 1000);
  if (node.kind === "string") return foreverIfNegative(parseGoDuration(node.value));
  const goKind = { null: "%!s(<nil>)", bool: "bool", array: "[]interface {}", object: "map[string]interface {}" };
  throw new GoCustomError(`Unsupported type: '${goKind[node.kind]}'`);
}

function foreverIfNegative(durationMs: number): number {
  return durationMs < 0 ? Number.POSITIVE_INFINITY : durationMs;
}

function readThink(node: GoNode): Think {
  if (node.kind === "bool") return node.value;
  if (node.kind === "null") return false;
  if (node.kind === "string") {
    if (isLevel(node.value)) return node.value;
    const allowed = '(must be "high", "medium", "low", "max", true, or false)';
    throw new GoCustomError(`invalid think value: ${JSON.stringify(node.value)} ${allowed}`);
  }
  throw new GoCustomError('think must be a boolean or string ("high", "medium", "low", "max", true, or false)');
}

function isLevel(text: string): text is "high" | "medium" | "low" | "max" {
  return text === "high" || text === "medium" || text === "low" || text === "max";
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's time.ParseDuration, with its error texts. */
function parseGoDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw new GoCustomError(`time: invalid duration ${quoted}`);
  let totalMs = 0;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (part === null) throw new GoCustomError(`time: invalid duration ${quoted}`);
    const [whole, amount = "", unit = ""] = part;
    const unitMs = UNIT_MS[unit];
    if (unit === "") throw new GoCustomError(`time: missing unit in duration ${quoted}`);
    if (unitMs === undefined) {
      throw new GoCustomError(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    }
    totalMs += Number(amount) * unitMs;
    rest = rest.slice(whole.length);
  }
  return sign * totalMs;
}
