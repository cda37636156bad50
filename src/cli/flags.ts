// Readers of flag values; each says in one line what it wanted.
import { InvalidArgumentError, Option } from "commander";
import { formatDuration, parseDuration } from "../wire/duration.ts";
import { hostIdSchema, macSchema } from "../wire/host.ts";
import { parseSize } from "../wire/size.ts";

/** What Commander takes from the environment; the contract's empty variable is one that is not set. */
const VARIABLES = ["HIVE_URL", "HIVE_STATE", "HIVE_JOIN"] as const;

export const STATE_FLAG = new Option("--state <dir>", "folder for keys and data")
  .env("HIVE_STATE")
  .argParser(readFolder)
  .default(".hive");
export const URL_FLAG = new Option("--edge <url>", "address of the edge")
  .env("HIVE_URL")
  .argParser(readUrl)
  .default("http://127.0.0.1:8787");

/** Takes empty variables out of the environment, so that flags get their defaults. */
export function forgetEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const name of VARIABLES) if (env[name]?.trim() === "") delete env[name];
}

/** A flag for a length of time, its default written as people write it. */
export function durationFlag(
  flags: string,
  description: string,
  defaultMs: number,
  read: (text: string) => number = readPause,
): Option {
  return new Option(flags, description).argParser(read).default(defaultMs, formatDuration(defaultMs));
}

function readFolder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("expected a folder");
  return text;
}

/** Timers that are longer go off at once. */
const TIMER_MAX_MS = 24 * 86_400_000;
/** As the cell takes them. */
const SLOTS_MAX = 4096;
const NAME_MAX_CHARS = 200;

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

/** Most requests at once of one host. */
export function readSlots(text: string): number {
  const count = readCount(text);
  if (count > SLOTS_MAX) throw new InvalidArgumentError(`expected at most ${String(SLOTS_MAX)}`);
  return count;
}

/** A name of a tenant or an operator. */
export function readName(text: string): string {
  if (text === "" || text.length > NAME_MAX_CHARS) {
    throw new InvalidArgumentError(`expected 1 to ${String(NAME_MAX_CHARS)} characters`);
  }
  return text;
}

export function readPool(text: string): string {
  // As CELLS names it.
  if (!/^[a-z0-9][a-z0-9_.-]{0,62}$/.test(text)) {
    throw new InvalidArgumentError("a pool is 1 to 63 of a-z, 0-9, _, . and -, starting with a letter or digit");
  }
  return text;
}

export function readLifetime(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  if (parsed.value < 1_000) throw new InvalidArgumentError("expected at least 1s");
  return parsed.value;
}

/** A duration that is waited for, and may be nothing. */
export function readWait(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.error);
  if (parsed.value > TIMER_MAX_MS) throw new InvalidArgumentError(`expected at most ${formatDuration(TIMER_MAX_MS)}`);
  return parsed.value;
}

/** A pause or a limit: at least a second. */
export function readPause(text: string): number {
  return Math.min(readLifetime(text), readWait(text));
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
    throw new InvalidArgumentError("expected a URL such as http://127.0.0.1:8787 or https://hive.example.com");
  }
  if (url.username !== "" || url.password !== "") throw new InvalidArgumentError("expected a URL without user name");
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
