// `hive fleet view`: hosts, slots and queue at a glance.
import type { Command } from "commander";
import type { EdgeTarget } from "./edge-client.ts";
import { readFleet } from "./edge-client.ts";
import { hostTable } from "./fleet-table.ts";
import { STATE_FLAG, URL_FLAG } from "./flags.ts";
import { print } from "./terminal.ts";

export function addFleet(program: Command): void {
  program
    .command("fleet")
    .description("the whole fleet")
    .command("view")
    .description("hosts, models, slots, queue")
    .option("--json", "as JSON")
    .option(...URL_FLAG)
    .option(...STATE_FLAG)
    .action(async (options: EdgeTarget & { readonly json?: boolean }) => {
      const fleet = await readFleet(options);
      if (options.json === true) {
        print(JSON.stringify(fleet, undefined, 2));
        return;
      }
      print(hostTable(fleet.hosts));
      print(`policy ${fleet.policy}, ${String(fleet.activeLeases)} running, ${String(fleet.queued)} waiting`);
    });
}
