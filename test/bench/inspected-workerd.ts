// A plain workerd that can be looked into: what its isolate holds after a collection, what its process holds, where its time goes.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { buildWorker } from "../../src/selfhost/build.ts";
import { workerdConfig } from "../../src/selfhost/workerd-config.ts";
import { freePort } from "../support/fleet.ts";

export interface InspectedWorkerd {
  readonly url: string;
  /** Bytes of the isolate's heap in use, after a full collection. */
  heapBytes(): Promise<number>;
  /** Processor time the process has used, s: what other work on the machine does not change much. */
  cpuSeconds(): Promise<number>;
  /** Resident bytes of the process. */
  residentBytes(): Promise<number>;
  /** Where the isolate spends its time while the work runs: function and share of the samples, the largest first. */
  profile(work: () => Promise<void>): Promise<{ readonly where: string; readonly share: number }[]>;
  close(): Promise<void>;
}

/** Half of what Cloudflare gives an isolate; V8 ends a process that needs more. */
export const HEAP_MAX_MB = 64;
const PROJECT_DIR = new URL("../..", import.meta.url).pathname;

/** Bundles a Worker and serves it with an inspector; the variables are bound as on Cloudflare. */
export async function startInspectedWorkerd(
  entry: string,
  vars: Readonly<Record<string, string>>,
): Promise<InspectedWorkerd> {
  const stateDir = await mkdtemp(join(tmpdir(), "hive-bench-"));
  const bundle = await buildWorker(entry, PROJECT_DIR, stateDir);
  if (!bundle.ok) throw new Error(bundle.error);
  const config = { compatibilityDate: "2026-10-01", compatibilityFlags: ["enable_request_signal"], vars };
  const layout = { listen: "127.0.0.1:0", moduleName: "worker.js", cellsDir: stateDir };
  const configPath = join(stateDir, "build", "workerd.capnp");
  const flags = `v8Flags = ["--max-heap-size=${HEAP_MAX_MB}"],`;
  await writeFile(configPath, workerdConfig(config, layout).replace("  services = [", `  ${flags}\n  services = [`));
  const inspectorPort = await freePort();
  const binary = (createRequire(import.meta.url)("workerd") as { default: string }).default;
  const child = spawn(
    binary,
    ["serve", "--control-fd=3", `--inspector-addr=127.0.0.1:${inspectorPort}`, configPath, "config"],
    { env: { HIVE_KEYS: "", TZ: "UTC" }, stdio: ["ignore", "inherit", "inherit", "pipe"] },
  );
  const port = await new Promise<number>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`workerd ended with ${code}`)));
    createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
      const event = JSON.parse(line) as { event: string; socket?: string; port?: number };
      if (event.socket === "http" && event.port !== undefined) resolve(event.port);
    });
  });
  const inspector = await openInspector(inspectorPort);
  return {
    url: `http://127.0.0.1:${port}/`,
    heapBytes: async () => {
      await inspector.call("HeapProfiler.enable");
      // A snapshot collects first; the method that only collects is never answered by workerd.
      await inspector.call("HeapProfiler.takeHeapSnapshot");
      return ((await inspector.call("Runtime.getHeapUsage")) as { usedSize: number }).usedSize;
    },
    cpuSeconds: async () => {
      const fields = (await readFile(`/proc/${child.pid}/stat`, "utf8")).split(") ")[1]?.split(" ") ?? [];
      // utime and stime of proc_pid_stat(5), in ticks of 10 ms on Linux.
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    residentBytes: async () => {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? "NaN") * 1024;
    },
    profile: async (work) => {
      await inspector.call("Profiler.enable");
      await inspector.call("Profiler.start");
      await work();
      return summarize(((await inspector.call("Profiler.stop")) as { profile: CpuProfile }).profile);
    },
    close: async () => {
      inspector.close();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly callFrame: { readonly functionName: string; readonly lineNumber: number };
    readonly hitCount?: number;
  }[];
}

function summarize({ nodes }: CpuProfile): { where: string; share: number }[] {
  const hits = new Map<string, number>();
  let total = 0;
  for (const { callFrame, hitCount = 0 } of nodes) {
    const where = `${callFrame.functionName || "(anonymous)"}:${callFrame.lineNumber + 1}`;
    hits.set(where, (hits.get(where) ?? 0) + hitCount);
    total += hitCount;
  }
  return [...hits].map(([where, count]) => ({ where, share: count / total })).sort((a, b) => b.share - a.share);
}

async function openInspector(port: number): Promise<{ call(method: string): Promise<unknown>; close(): void }> {
  const listed = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as { webSocketDebuggerUrl: string }[];
  const socket = new WebSocket(listed[0]?.webSocketDebuggerUrl ?? "");
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("workerd's inspector does not answer")));
  });
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (cause: Error) => void }>();
  let calls = 0;
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } };
    const call = answer.id === undefined ? undefined : pending.get(answer.id);
    if (call === undefined || answer.id === undefined) return;
    pending.delete(answer.id);
    if (answer.error === undefined) call.resolve(answer.result);
    else call.reject(new Error(answer.error.message));
  });
  return {
    call: async (method) =>
      await new Promise((resolve, reject) => {
        calls += 1;
        pending.set(calls, { resolve, reject });
        socket.send(JSON.stringify({ id: calls, method }));
      }),
    close: () => socket.close(),
  };
}
