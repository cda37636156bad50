// Sees clients leave before their answer has begun. Plain workerd does not notice that (it reads nothing while a request runs),
// but the kernel knows: a connection whose client has closed stands in CLOSE_WAIT until workerd lets go of it. Looking at the
// kernel's table costs the requests nothing, unlike a proxy in front of workerd, through which every byte would pass.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** Half a second to see it, well inside the 2 s in which a slot must be free. */
export const WATCH_INTERVAL_MS = 500;
/** What the edge takes at once; the rest is reported after the next look. */
const REPORTED_MAX = 10_000;
const CLOSE_WAIT = "08";
const LISTEN = "0A";
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

export interface ConnectionWatch {
  close(): void;
}

/**
 * Reports the clients (`ip:port`) of the given local port that have closed their side, for as long as they wait for ours: one
 * may close so soon that its request is known to the cell only later, or lose the word of it to a fault.
 */
export function watchClosedConnections(
  port: number,
  report: (connections: readonly string[]) => Promise<void>,
): ConnectionWatch {
  let busy = false;
  let tables: readonly string[] | undefined;
  const look = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      tables ??= await tablesOf(port);
      const closed = await readClosed(port, tables);
      if (closed.length > 0) await report(closed.slice(0, REPORTED_MAX));
    } catch {
      // Not reported is not lost: what is still closed is reported after the next look.
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void look(), WATCH_INTERVAL_MS);
  timer.unref();
  return { close: () => clearInterval(timer) };
}

/** The kernel's tables in which connections of a local port can stand; reading one costs milliseconds, empty or not. */
export async function tablesOf(port: number): Promise<readonly string[]> {
  if (process.platform !== "linux") return [];
  const listening: string[] = [];
  for (const path of TABLES) if (listensIn(await readTable(path), port)) listening.push(path);
  return listening.length > 0 ? listening : TABLES;
}

/** Clients (`ip:port`) of a local port that have closed their side and wait for ours, as the kernel knows them. */
export async function readClosed(port: number, paths: readonly string[]): Promise<string[]> {
  if (process.platform === "linux") {
    const tables = await Promise.all(paths.map(readTable));
    return tables.flatMap((table) => parseProcTable(table, port));
  }
  const { stdout } = await promisify(execFile)("netstat", ["-an"], { maxBuffer: 64 << 20 });
  return parseNetstat(stdout, port);
}

async function readTable(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    // A kernel without IPv6 has no tcp6.
    return "";
  }
}

/** Whether a table has a socket that listens on a port. */
export function listensIn(table: string, port: number): boolean {
  const local = `:${hexPort(port)}`;
  return table.split("\n").some((line) => {
    const [, address, , state] = line.trim().split(/\s+/);
    return state === LISTEN && address?.endsWith(local) === true;
  });
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** Remote ends in CLOSE_WAIT on a local port, from Linux' `/proc/net/tcp` or `tcp6`. */
export function parseProcTable(table: string, port: number): string[] {
  const wanted = hexPort(port);
  return table.split("\n").flatMap((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    if (state !== CLOSE_WAIT || local === undefined || remote === undefined || !local.endsWith(`:${wanted}`)) return [];
    const [address = "", remotePort = ""] = remote.split(":");
    return [`${readAddress(address)}:${Number.parseInt(remotePort, 16)}`];
  });
}

/** The kernel writes each 32-bit word in host order, which on the machines Node runs on is little-endian. */
function readAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) =>
    (word.match(/../g) ?? []).toReversed().map((pair) => Number.parseInt(pair, 16)),
  );
  const mapped = bytes.length === 16 && bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (bytes.length === 4 || mapped) return bytes.slice(-4).join(".");
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0));
  return `[${new URL(`http://[${groups.map((group) => group.toString(16)).join(":")}]`).hostname.slice(1, -1)}]`;
}

/** The same from `netstat -an` of macOS (`127.0.0.1.8787`) and Windows (`127.0.0.1:8787`). */
export function parseNetstat(text: string, port: number): string[] {
  return text.split("\n").flatMap((line) => {
    if (!/CLOSE_WAIT/.test(line)) return [];
    const ends = line
      .trim()
      .split(/\s+/)
      .filter((word) => /[.:]\d+$/.test(word));
    const [local, remote] = ends;
    if (local === undefined || remote === undefined || !new RegExp(`[.:]${String(port)}$`).test(local)) return [];
    return [remote.replace(/[.:](\d+)$/, ":$1")];
  });
}
