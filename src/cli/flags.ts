// Readers of flag values; each says in one line what it wanted.
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../wire/duration.ts";
import { hostIdSchema, macSchema } from "../wire/host.ts";
import { parseSize } from "../wire/size.ts";

/** HIVE_URL, or where `hive up` and `hive serve` listen. */
export const EDGE_DEFAULT = process.env["HIVE_URL"]?.replace(/\/+$/, "") || "http://127.0.0.1:8787";

export const STATE_FLAG = [
  "--state <dir>",
  "folder for keys and data (HIVE_STATE)",
  process.env["HIVE_STATE"] || ".hive",
] as const;
export const URL_FLAG = ["--edge <url>", "address of the edge (HIVE_URL)", readUrl, EDGE_DEFAULT] as const;

/** A port to listen on; 0 is any free one. */
export function readPort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError("expected a port, 0 to 65535");
  return port;
}

export function readCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,12}$/.test(text) || count < 1) throw new InvalidArgumentError("expected a whole number from 1 on");
  return count;
}

export function readLifetime(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  if (parsed.value < 1_000) throw new InvalidArgumentError("expected at least 1s");
  return parsed.value;
}

/** A duration that may be nothing. */
export function readWait(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  return parsed.value;
}

export function readSize(text: string): number {
  const parsed = parseSize(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  return parsed.value;
}

/** An http or https base URL, without its trailing slash. */
export function readUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new InvalidArgumentError("expected a URL such as http://127.0.0.1:8787");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

const OLLAMA_PATTERN = /^(?:(?<scheme>https?):\/\/)?(?<name>[^/@]*?)(?::(?<port>\d+))?(?:\/.*)?$/i;

/** Reads an address as Ollama reads OLLAMA_HOST: without a scheme the port is 11434, without a name it is this machine. */
export function readOllamaUrl(text: string): string {
  const parts = text.trim() === "" ? undefined : OLLAMA_PATTERN.exec(text.trim())?.groups;
  const { scheme, name = "", port } = parts ?? {};
  const hostname = ["", "0.0.0.0", "[::]"].includes(name) ? "127.0.0.1" : name;
  // With a scheme and no port it is the scheme's own.
  const suffix = port ?? (scheme === undefined ? "11434" : "");
  const url = URL.parse(`${scheme ?? "http"}://${hostname}:${suffix}`);
  if (parts === undefined || url === null) {
    throw new InvalidArgumentError("expected the URL of an Ollama such as http://127.0.0.1:11434");
  }
  return url.origin;
}

export function collectOllama(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), readOllamaUrl(text)];
}

export function readHostId(text: string): string {
  const parsed = hostIdSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? "not a host id");
  return parsed.data;
}

/** A MAC address with colons or dashes, as small letters with colons. */
export function readMac(text: string): string {
  const parsed = macSchema.safeParse(text.toLowerCase().replaceAll("-", ":"));
  if (!parsed.success) throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? "not a MAC address");
  return parsed.data;
}

/** `ADDRESS:PORT`, or a port alone on loopback. */
export function readListen(text: string): { hostname: string; port: number } {
  const match = /^(?:(.+):)?(\d+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError("expected ADDRESS:PORT such as 127.0.0.1:11435");
  return { hostname: match[1] ?? "127.0.0.1", port: readPort(match[2] ?? "") };
}
