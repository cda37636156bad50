// `hive fleet`: hosts, slots and queue at a glance, once or again and again.
import type { Command } from "commander";
import type { EdgeTarget } from "./edge-client.ts";
import { readFleet } from "./edge-client.ts";
import { fleetText } from "./fleet-table.ts";
import type { WatchOptions } from "./fleet-watch.ts";
import { watchFleet } from "./fleet-watch.ts";
import { durationFlag, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { print } from "./terminal.ts";

const WATCH_INTERVAL_MS = 2_000;

export function addFleet(program: Command): void {
  const fleet = program.command("fleet").description("the whole fleet");
  fleet
    .command("view")
    .description("hosts, models, slots, queue")
    .option("--json", "as JSON")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(async (options: EdgeTarget & { readonly json?: boolean }) => {
      const view = await readFleet(options);
      print(options.json === true ? JSON.stringify(view, undefined, 2) : fleetText(view));
    });
  fleet
    .command("watch")
    .description("the same, drawn anew until Ctrl-C")
    .addOption(durationFlag("--interval <duration>", "time between two looks", WATCH_INTERVAL_MS))
    .option("--json", "as JSON, a line for each look")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(async (options: WatchOptions) => watchFleet(options));
}
