// `hive serve`: the edge alone, on plain workerd.
import type { Command } from "commander";
import type { Edge } from "../selfhost/edge.ts";
import { startEdge } from "../selfhost/edge.ts";
import { reportDepartures } from "./departures.ts";
import { readPort, STATE_FLAG } from "./flags.ts";
import { ensureKeys, keysPath } from "./state.ts";
import { runUntilStopped } from "./stop.ts";
import { say, valueOf } from "./terminal.ts";

export interface ServeOptions {
  readonly port: number;
  readonly bind: string;
  readonly state: string;
}

export function addServe(program: Command): void {
  program
    .command("serve")
    .description("run the edge alone, on plain workerd")
    .option("--port <port>", "port to listen on", readPort, 8787)
    .option("--bind <address>", "address to listen on", "127.0.0.1")
    .addOption(STATE_FLAG)
    .action(async (options: ServeOptions) => {
      const edge = await openEdge(options);
      await runUntilStopped(edge, async () => say(`hive: ready ${edge.url}`), edge.died);
    });
}

/** Starts the edge with the keys of the state folder, which are made on the first run. */
export async function openEdge(options: ServeOptions): Promise<Edge> {
  const { text, keys, isNew } = await ensureKeys(options.state);
  if (isNew) say(`hive: made new keys in ${keysPath(options.state)}; keep them, every token hangs on them`);
  const started = await startEdge({
    stateDir: options.state,
    hostname: options.bind,
    port: options.port,
    keys: text,
    env: process.env,
    log: (line) => say(`edge: ${line}`),
  });
  const edge = valueOf(started);
  const watch = reportDepartures(edge, keys);
  const close = async (): Promise<void> => {
    watch.close();
    await edge.close();
  };
  return { ...edge, close };
}
