// One line of every log of Hive, edge and agent alike: JSON of listed fields. What is not listed is not written, whoever passes it.

/** All that may be logged. Nothing here can hold a prompt, an answer, a header or a token. */
const FIELDS = [
  "event",
  "attempt",
  "cell",
  "count",
  "digest",
  "failures",
  "from",
  "hostId",
  "leaseId",
  "mac",
  "model",
  "name",
  "order",
  "outcome",
  "reason",
  "requestId",
  "reset",
  "runner",
  "status",
] as const;
type Field = Exclude<(typeof FIELDS)[number], "event">;

export type LogLine = { readonly event: string } & {
  readonly [Name in Field]?: string | number | boolean | undefined;
};

/** Longer text is no code and no id. */
const TEXT_MAX_CHARS = 160;
/** What a token or a URL with a key in it looks like, should one end up in the words of an error. */
const SECRETS = /eyJ[\w-]{8,}(?:\.[\w-]*)*|\/k\/[^/\s]+|bearer\s+\S+/gi;

/** Writes a line as JSON; values that are no text, number or flag are left out too. */
export function logLine(line: LogLine): string {
  const known: Record<string, unknown> = line;
  const written = FIELDS.flatMap((name): [string, unknown][] => {
    const value = known[name];
    if (typeof value === "string") return [[name, cleaned(value)]];
    return typeof value === "number" || typeof value === "boolean" ? [[name, value]] : [];
  });
  return JSON.stringify(Object.fromEntries(written));
}

function cleaned(text: string): string {
  const plain = text.replaceAll(SECRETS, "[secret]").replaceAll(/\p{Cc}/gu, " ");
  return plain.length > TEXT_MAX_CHARS ? `${plain.slice(0, TEXT_MAX_CHARS)}…` : plain;
}
