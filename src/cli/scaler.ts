// `hive scaler`: takes the edge's orders for hosts and runs the operator's commands.
import type { Command } from "commander";
import * as z from "zod";
import type { ScaleKey } from "../auth/scale-token.ts";
import { findScaleKey } from "../auth/scale-token.ts";
import { publicKeySchema } from "../wire/host.ts";
import { durationFlag, readPort, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { ScalerWork } from "./scaler-work.ts";
import { openScalerServer } from "./scaler-server.ts";
import { readIssuer, readKeys } from "./state.ts";
import { runUntilStopped } from "./stop.ts";
import { CliError, say } from "./terminal.ts";

interface ScalerFlags {
  readonly up: string;
  readonly down: string;
  readonly port: number;
  readonly bind: string;
  readonly limit: number;
  readonly edge: string;
  readonly state: string;
}

const KEYS_LIMIT_MS = 10_000;

export function addScaler(program: Command): void {
  program
    .command("scaler")
    .description("receive the edge's orders for hosts (SCALER_URL) and run commands that start and stop them")
    .requiredOption("--up <command>", "starts the host HIVE_HOST; a new one of its own choice where that is empty")
    .requiredOption("--down <command>", "stops the host HIVE_HOST, which has no work")
    .option("--port <port>", "port to listen on", readPort, 8790)
    .option("--bind <address>", "address to listen on", "127.0.0.1")
    .addOption(durationFlag("--limit <duration>", "longest time a command may take", 600_000))
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(run);
}

async function run(flags: ScalerFlags): Promise<void> {
  const key = await findKey(flags);
  const issuer = await readIssuer(flags.state);
  const log = (line: object): void => say(`scaler: ${JSON.stringify(line)}`);
  const work = new ScalerWork({ up: flags.up, down: flags.down, limitMs: flags.limit, log });
  const server = await openScalerServer({ port: flags.port, bind: flags.bind, key, issuer, log }, (order) =>
    work.take(order),
  );
  const close = async (): Promise<void> => {
    await server.close();
    await work.stop();
  };
  await runUntilStopped({ close, kill: () => work.kill() }, async () =>
    say(`scaler: ready http://${flags.bind}:${String(server.port)}`),
  );
}

const keySetSchema = z.object({ keys: z.array(publicKeySchema.loose().extend({ kid: z.string() })) });

/** The public half of the edge's key: from the state folder where it lies here, else as the edge publishes it. */
async function findKey({ edge, state }: ScalerFlags): Promise<ScaleKey> {
  const stored = await readKeys(state);
  if (stored !== undefined) return stored.keys.join;
  const response = await fetch(`${edge}/.well-known/jwks.json`, {
    redirect: "manual",
    signal: AbortSignal.timeout(KEYS_LIMIT_MS),
  }).catch(() => undefined);
  if (response?.ok !== true) throw new CliError(`no keys from ${edge}; is hive running there?`);
  const published = keySetSchema.safeParse(await response.json().catch(() => undefined));
  const key = published.success ? await findScaleKey(published.data.keys) : undefined;
  if (key === undefined) throw new CliError(`${edge} publishes no key that signs orders`);
  return key;
}
