// `hive host`: invites hosts, and takes them out and in.
import type { Command } from "commander";
import { Option } from "commander";
import { issueJoinToken } from "../auth/join-token.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { callEdge, readFleet } from "./edge-client.ts";
import { REGIONS } from "../wire/cells.ts";
import { hostTable } from "./fleet-table.ts";
import { modelTable } from "./model-table.ts";
import { readHostId, readMac, readPool, readSlots, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { readIssuer, requireKeys } from "./state.ts";
import { CliError, print, say } from "./terminal.ts";

type TargetOptions = EdgeTarget & { readonly json?: boolean };

export function addHost(program: Command): void {
  const host = program.command("host").description("hosts of the fleet");
  host
    .command("invite")
    .description("print a join token: single use, one hour")
    .argument("<id>", "id of the new host", readHostId)
    .requiredOption("--hostname <name-or-url>", "tunnel hostname, or http://127.0.0.1:PORT")
    .option("--slots <n>", "most requests at once", readSlots)
    .option("--pool <name>", "group of hosts", readPool, "default")
    .option("--mac <address>", "of the machine, to wake it when it sleeps", readMac)
    .addOption(
      new Option("--region <region>", "where the host stands (default: where it joins from)").choices([
        ...REGIONS,
        "any",
      ]),
    )
    .addOption(STATE_FLAG)
    .action(invite);
  withTarget(host.command("list").description("all hosts"))
    .option("--json", "as JSON")
    .action(async (options: TargetOptions) => {
      const fleet = await readFleet(options);
      print(options.json === true ? JSON.stringify(fleet.hosts, undefined, 2) : hostTable(fleet.hosts));
    });
  withTarget(
    host.command("show").description("one host, with its models").argument("<id>", "id of the host", readHostId),
  )
    .option("--json", "as JSON")
    .action(async (id: string, options: TargetOptions) => {
      const fleet = await readFleet(options);
      const found = fleet.hosts.find((host) => host.id === id);
      if (found === undefined) throw new CliError(`no host ${id}`);
      if (options.json === true) return print(JSON.stringify(found, undefined, 2));
      print(`${hostTable([found])}\n\n${modelTable({ ...fleet, hosts: [found] })}`);
    });
  addChange(host, "drain", "give it no new requests", async (target, id) =>
    callEdge(target, "POST", `/hosts/${id}/drain`),
  );
  addChange(host, "resume", "give it requests again", async (target, id) =>
    callEdge(target, "POST", `/hosts/${id}/resume`),
  );
  addChange(host, "remove", "forget it and its keys", async (target, id) => callEdge(target, "DELETE", `/hosts/${id}`));
}

function withTarget(command: Command): Command {
  return command.addOption(URL_FLAG).addOption(STATE_FLAG);
}

const DONE = { drain: "is drained", resume: "takes requests again", remove: "is removed" } as const;

function addChange(
  host: Command,
  verb: keyof typeof DONE,
  description: string,
  change: (target: EdgeTarget, id: string) => Promise<unknown>,
): void {
  withTarget(host.command(verb).description(description).argument("<id>", "id of the host", readHostId)).action(
    async (id: string, options: EdgeTarget) => {
      await change(options, id);
      say(`hive: host ${id} ${DONE[verb]}`);
    },
  );
}

interface InviteOptions {
  readonly hostname: string;
  readonly slots?: number;
  readonly pool: string;
  readonly region?: string;
  readonly mac?: string;
  readonly state: string;
}

async function invite(id: string, options: InviteOptions): Promise<void> {
  const url = URL.parse(options.hostname.includes("://") ? options.hostname : `https://${options.hostname}`);
  const isPlain = url !== null && url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (!isPlain || !["http:", "https:"].includes(url.protocol)) {
    throw new CliError("--hostname takes a hostname such as gpu1.example.com, or http://127.0.0.1:PORT", 2);
  }
  const keys = await requireKeys(options.state);
  const { pool, region = "", slots, mac } = options;
  const token = await issueJoinToken(
    keys,
    {
      hostId: id,
      url: url.origin,
      pool,
      region,
      ...(slots === undefined ? {} : { slots }),
      ...(mac === undefined ? {} : { mac }),
    },
    { issuer: await readIssuer(options.state), now: Date.now() },
  );
  print(token);
}
