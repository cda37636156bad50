// `hive token list` and `hive token revoke`: the tokens that the edge has issued or seen.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { decodeJwt } from "jose";
import type { TokenRecord } from "../wire/directory-rpc.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { callEdge } from "./edge-client.ts";
import { alignColumns } from "./fleet-table.ts";
import { STATE_FLAG, URL_FLAG } from "./flags.ts";
import { CliError, print, say } from "./terminal.ts";

type ListOptions = EdgeTarget & { readonly json?: boolean };
type RevokeOptions = EdgeTarget & { readonly sub?: string };

export function addTokenAdmin(token: Command): void {
  token
    .command("list")
    .description("tokens issued by the edge or seen there, and which are revoked")
    .option("--json", "as JSON")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(list);
  token
    .command("revoke")
    .description("end a token, or all tokens of a name that were issued until now")
    .argument("[id]", "id of the token, or the token itself", readTokenId)
    .option("--sub <name>", "all tokens of this tenant or operator")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(revoke);
}

async function list(options: ListOptions): Promise<void> {
  const { tokens } = (await callEdge(options, "GET", "/tokens")) as { tokens: readonly TokenRecord[] };
  print(options.json === true ? JSON.stringify(tokens, undefined, 2) : table(tokens));
}

async function revoke(id: string | undefined, options: RevokeOptions): Promise<void> {
  if ((id === undefined) === (options.sub === undefined)) {
    throw new CliError("say which: the id of a token, or --sub NAME for all of a tenant or operator", 2);
  }
  if (id === undefined) {
    await callEdge(options, "DELETE", `/tokens?sub=${encodeURIComponent(options.sub ?? "")}`);
    say(`hive: every token of ${String(options.sub)} issued until now is revoked`);
    return;
  }
  const { tokens } = (await callEdge(options, "GET", "/tokens")) as { tokens: readonly TokenRecord[] };
  await callEdge(options, "DELETE", `/tokens/${encodeURIComponent(id)}`);
  const note = tokens.some((token) => token.id === id) ? "" : " (the edge has not seen one with this id yet)";
  say(`hive: token ${id} is revoked${note}`);
}

/** The id, also of a token or of a base URL with a token in it: that is what one has of a token that was never used. */
export function readTokenId(text: string): string {
  const token = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(text)?.[0];
  if (token === undefined) return text;
  try {
    const { jti } = decodeJwt(token);
    if (jti !== undefined) return jti;
  } catch {
    // The same words as for a token without an id.
  }
  throw new InvalidArgumentError("expected the id of a token, or the whole token");
}

function table(tokens: readonly TokenRecord[]): string {
  const rows = tokens.map(({ id, role, sub, scopes, models, pool, expiresAt, revokedAt }) => [
    id,
    sub,
    role === "admin" ? `admin ${scopes.join(",")}` : scopes.join(","),
    models.join(","),
    pool,
    new Date(expiresAt).toISOString().slice(0, 16),
    revokedAt === undefined ? "-" : new Date(revokedAt).toISOString().slice(0, 16),
  ]);
  return alignColumns([["ID", "NAME", "MAY", "MODELS", "POOL", "EXPIRES", "REVOKED"], ...rows]);
}
