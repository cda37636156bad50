// `hive proxy`: a loopback port that adds the token, for programs that can set neither header nor path.
import type { Command } from "commander";
import { tokenOfEnvironment } from "./edge-client.ts";
import { readPort, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { readIssuer, readKeys } from "./state.ts";
import { runUntilStopped } from "./stop.ts";
import { CliError, say } from "./terminal.ts";

interface ProxyFlags {
  readonly port: number;
  readonly edge: string;
  readonly state: string;
}

/** How long a token from the state folder is used before it is looked at again; it is renewed a day before its end. */
const TOKEN_KEPT_MS = 3_600_000;

export function addProxy(program: Command): void {
  program
    .command("proxy")
    .description("a loopback port that adds the token, for programs that can set neither header nor path")
    .option("--port <port>", "port to listen on: Ollama's own", readPort, 11_434)
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(run);
}

async function run({ port, edge, state }: ProxyFlags): Promise<void> {
  const token = await openTokenSource(edge, state);
  const { startProxy } = await import("./proxy-server.ts");
  const proxy = await startProxy({ port, edge, token });
  await runUntilStopped({ close: async () => proxy.close(), kill: () => undefined }, async () =>
    say(`hive: ready http://127.0.0.1:${String(proxy.port)}`),
  );
}

/** HIVE_TOKEN; else none where the base URL carries a key; else a client token of the state folder. */
async function openTokenSource(edge: string, state: string): Promise<() => Promise<string | undefined>> {
  const given = tokenOfEnvironment();
  if (given !== undefined) return async () => given;
  if (new URL(edge).pathname.startsWith("/k/")) return async () => undefined;
  if ((await readKeys(state)) === undefined)
    throw new CliError("no token: set HIVE_TOKEN, or --edge to a base URL with a key (hive token issue --url)");
  const issuer = await readIssuer(state);
  const { keepClientToken } = await import("./up-client.ts");
  let kept: { readonly token: string; readonly until: number } | undefined;
  return async () => {
    const now = Date.now();
    if (kept === undefined || kept.until <= now)
      kept = { token: await keepClientToken(state, issuer), until: now + TOKEN_KEPT_MS };
    return kept.token;
  };
}
