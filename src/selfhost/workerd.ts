// One workerd process: started, waited for until it listens, watched, and never left behind.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as z from "zod";
import type { Result } from "../wire/result.ts";

export interface WorkerdProcess {
  readonly port: number;
  /** Resolves with one line when the process ends without having been asked to. */
  readonly died: Promise<string>;
  /** Asks it to end, insists after two seconds, and resolves when it is gone. */
  close(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

export interface WorkerdOptions {
  readonly configPath: string;
  /** The private keys, for the secret HIVE_KEYS. */
  readonly keys: string;
  readonly log: (line: string) => void;
}

// A cold start on a busy small machine takes a few seconds; workerd that is wrong says so at once.
const LISTEN_TIMEOUT_MS = 30_000;
// Streams that still run would keep workerd draining for as long as they like.
const CLOSE_GRACE_MS = 2_000;
const CONTROL_FD = 3;

const listenSchema = z.object({ event: z.literal("listen"), socket: z.string(), port: z.int() });

/** Starts workerd on a configuration; the error is workerd's own line, or "in use" when its port is taken. */
export async function startWorkerd(options: WorkerdOptions): Promise<Result<WorkerdProcess, string>> {
  const child = spawn(workerdPath(), ["serve", `--control-fd=${String(CONTROL_FD)}`, options.configPath, "config"], {
    // Nothing of the caller's environment reaches the Worker but its secrets.
    env: { HIVE_KEYS: options.keys, TUNNEL_ACCESS: process.env["TUNNEL_ACCESS"] ?? "", TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    // A group of its own: Ctrl-C in a terminal must not end it before the agents have said goodbye.
    detached: true,
  });
  const stopWatching = watchParent(child);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`cannot start workerd: ${error.message}`));
    child.once("exit", (code, signal) => resolve(`workerd ended (${signal ?? `exit ${String(code)}`})`));
  });
  void ended.then(stopWatching);
  const closed = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  const errors: string[] = [];
  let isListening = false;
  passLines(child.stdout, options.log);
  passLines(child.stderr, (line) => {
    if (isListening) options.log(line);
    else errors.push(line);
  });

  const timer = setTimeout(() => child.kill("SIGKILL"), LISTEN_TIMEOUT_MS);
  const started = await Promise.race([portOf(child), ended]);
  clearTimeout(timer);
  if (typeof started !== "number") {
    // Its last words may still be in the pipe.
    await closed;
    return { ok: false, error: reasonOf(errors) ?? started };
  }
  isListening = true;
  for (const line of errors) options.log(line);
  return { ok: true, value: { port: started, ...handle(child, ended) } };
}

function handle(child: ChildProcess, ended: Promise<string>): Omit<WorkerdProcess, "port"> {
  let isAsked = false;
  const kill = (): void => {
    isAsked = true;
    child.kill("SIGKILL");
  };
  const died = new Promise<string>((resolve) => {
    void ended.then((line) => (isAsked ? undefined : resolve(line)));
  });
  const close = async (): Promise<void> => {
    isAsked = true;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_GRACE_MS);
    await ended;
    clearTimeout(timer);
  };
  return { died, close, kill };
}

/** workerd has no eye on its parent: a shell that waits on a pipe ends it when this process is gone, SIGKILL included. */
function watchParent(child: ChildProcess): () => void {
  const killNow = (): void => void child.kill("SIGKILL");
  process.once("exit", killNow);
  if (process.platform === "win32" || child.pid === undefined) return () => process.removeListener("exit", killNow);
  const guard = spawn("/bin/sh", ["-c", 'read -r _; kill -KILL "$1"', "sh", String(child.pid)], {
    env: {},
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.on("error", () => undefined);
  guard.stdin.on("error", () => undefined);
  guard.unref();
  return () => {
    process.removeListener("exit", killNow);
    // The pid may be another's from now on.
    guard.kill("SIGKILL");
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  const control = child.stdio[CONTROL_FD];
  return new Promise((resolve) => {
    passLines(control as Readable, (line) => {
      const event = listenSchema.safeParse(parseJson(line));
      if (event.success) resolve(event.data.port);
    });
  });
}

function reasonOf(errors: readonly string[]): string | undefined {
  if (errors.some((line) => line.includes("Address already in use"))) return "in use";
  const damage = errors.find((line) => line.includes("SQLITE_"));
  return damage ?? errors.find((line) => /error|failed|fatal/i.test(line)) ?? errors[0];
}

function passLines(stream: Readable | null, take: (line: string) => void): void {
  if (stream === null) return;
  stream.on("error", () => undefined);
  createInterface({ input: stream }).on("line", take);
}

function workerdPath(): string {
  const require = createRequire(import.meta.url);
  // The package's main export is the path of the native binary for this platform.
  const found = require("workerd") as { default: string };
  return found.default;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
