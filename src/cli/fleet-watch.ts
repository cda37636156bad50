// `hive fleet watch`: the table of hosts, drawn anew every few seconds until Ctrl-C.
import { setTimeout as wait } from "node:timers/promises";
import type { FleetView } from "../wire/fleet-view.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { readFleet } from "./edge-client.ts";
import { fleetText } from "./fleet-table.ts";
import { CliError, print, shown } from "./terminal.ts";

export interface WatchOptions extends EdgeTarget {
  readonly json?: boolean;
  readonly interval: number;
}

/** Cursor to the top left, and what is below it cleared once the new text stands: clearing first would flicker. */
const HOME = "\u001b[H";
const CLEAR_BELOW = "\u001b[J";
const CLEAR_LINE_END = "\u001b[K";

/** Draws until the process is ended; an edge that is away for a while is said so and asked again. */
export async function watchFleet(options: WatchOptions): Promise<void> {
  const isScreen = process.stdout.isTTY && options.json !== true;
  if (isScreen) process.stdout.write(`${HOME}${CLEAR_BELOW}`);
  // The first answer decides whether there is anything to watch.
  let fleet: FleetView | string = await readFleet(options);
  for (;;) {
    if (options.json === true) print(JSON.stringify(fleet));
    else draw(shown(typeof fleet === "string" ? fleet : fleetText(fleet)), isScreen);
    await wait(options.interval);
    fleet = await readFleet(options).catch(reasonOf);
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof CliError) return cause.message;
  throw cause;
}

function draw(text: string, isScreen: boolean): void {
  if (isScreen)
    process.stdout.write(`${HOME}${text.replaceAll("\n", `${CLEAR_LINE_END}\n`)}${CLEAR_LINE_END}\n${CLEAR_BELOW}`);
  else print(`${text}\n`);
}
