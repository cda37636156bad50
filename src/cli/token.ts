// `hive token issue`: signs a token with the keys of the state folder.
import type { Command } from "commander";
import { Option } from "commander";
import { issueAdminToken, ADMIN_TOKEN_DEFAULT_TTL_MS, ADMIN_TOKEN_MAX_TTL_MS } from "../auth/admin-token.ts";
import { CLIENT_TOKEN_DEFAULT_TTL_MS, CLIENT_TOKEN_MAX_TTL_MS, issueClientToken } from "../auth/client-token.ts";
import type { ClientClaims } from "../auth/client-token.ts";
import type { HiveKeys } from "../auth/keys.ts";
import { formatDuration } from "../wire/duration.ts";
import { readCount, readLifetime, readName, readPool, STATE_FLAG, URL_FLAG } from "./flags.ts";
import { readIssuer, requireKeys } from "./state.ts";
import { CliError, print } from "./terminal.ts";
import { addTokenAdmin } from "./token-admin.ts";
import { registerOllamaKey } from "./token-ollama.ts";

/** What a token of a named scope opens. */
const SCOPES = { manage: ["inference", "manage"], scale: ["scale"] } as const;

interface IssueOptions {
  readonly role: "client" | "admin";
  readonly scope?: "manage" | "scale";
  readonly sub: string;
  readonly models?: string;
  readonly rpm?: number;
  readonly tokensPerDay?: number;
  readonly concurrent?: number;
  readonly loads?: number;
  readonly maxOutput?: number;
  readonly priority?: "low" | "normal" | "high";
  readonly pool?: string;
  readonly expires?: number;
  readonly url?: boolean;
  readonly ollamaKey?: string;
  readonly edge: string;
  readonly state: string;
}

/** Limits that are whole numbers, named as the claims they become. */
const COUNTS = ["rpm", "tokensPerDay", "concurrent", "loads", "maxOutput"] as const;

export function addToken(program: Command): void {
  const token = program.command("token").description("tokens of clients and operators");
  token
    .command("issue")
    .description("print a new token")
    .addOption(
      new Option("--role <role>", "client: models; admin: the operators' routes")
        .choices(["client", "admin"])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option("--scope <scope>", "manage: also the management of models; scale: only /hive/v1/scale").choices([
        "manage",
        "scale",
      ]),
    )
    .option("--sub <name>", "whom the token speaks for", readName, "default")
    .option("--models <globs>", "models it may use, comma-separated (default: all)")
    .option("--rpm <n>", "requests per minute", readCount)
    .option("--tokens-per-day <n>", "tokens per day", readCount)
    .option("--concurrent <n>", "requests that run or wait at once", readCount)
    .option("--loads <n>", "loads of models per 10 minutes (default: 30)", readCount)
    .option("--max-output <n>", "most tokens of one answer", readCount)
    .addOption(new Option("--priority <priority>", "highest it may ask for").choices(["low", "normal", "high"]))
    .option("--pool <name>", "group of hosts", readPool)
    .option("--expires <duration>", "lifetime, e.g. 30d (default: 30d, admin 15m)", readLifetime)
    .option("--url", "print a base URL that carries the token, for clients that can set no header")
    .option(
      "--ollama-key <file-or-key>",
      "register the public key that an ollama command line signs with (OLLAMA_AUTH=1)",
    )
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(issue);
  addTokenAdmin(token);
}

async function issue(options: IssueOptions): Promise<void> {
  checkFlags(options);
  if (options.ollamaKey !== undefined) {
    const expiresMs = options.expires ?? CLIENT_TOKEN_DEFAULT_TTL_MS;
    return await registerOllamaKey(options, options.ollamaKey, { expiresMs, claims: clientClaims(options) });
  }
  const keys = await requireKeys(options.state);
  const context = { issuer: await readIssuer(options.state), now: Date.now() };
  const token =
    options.role === "admin" ? await issueAdmin(keys, options, context) : await issueClient(keys, options, context);
  print(options.url === true ? `${options.edge}/k/${token}` : token);
}

function checkFlags(options: IssueOptions): void {
  const isAdmin = options.role === "admin";
  const clientOnly = ["scope", "models", ...COUNTS, "priority", "pool", "url", "ollamaKey"] as const;
  const wrong = isAdmin ? clientOnly.find((name) => options[name] !== undefined) : undefined;
  if (wrong !== undefined) {
    throw new CliError(
      `--${wrong.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} is for --role client only`,
      2,
    );
  }
  if (options.url === true && options.ollamaKey !== undefined)
    throw new CliError("--url and --ollama-key exclude each other: a key that signs needs no token in its URL", 2);
  const maxMs = isAdmin ? ADMIN_TOKEN_MAX_TTL_MS : CLIENT_TOKEN_MAX_TTL_MS;
  if ((options.expires ?? 0) > maxMs) {
    throw new CliError(`--expires of a token with role ${options.role} is at most ${formatDuration(maxMs)}`, 2);
  }
}

interface SigningContext {
  readonly issuer: string;
  readonly now: number;
}

function expiry(now: number, ttlMs: number): number {
  return Math.floor((now + ttlMs) / 1000);
}

async function issueAdmin(keys: HiveKeys, options: IssueOptions, context: SigningContext): Promise<string> {
  const exp = expiry(context.now, options.expires ?? ADMIN_TOKEN_DEFAULT_TTL_MS);
  return issueAdminToken(keys, { sub: options.sub, exp, ...context });
}

async function issueClient(keys: HiveKeys, options: IssueOptions, context: SigningContext): Promise<string> {
  const exp = expiry(context.now, options.expires ?? CLIENT_TOKEN_DEFAULT_TTL_MS);
  return issueClientToken(keys, { ...clientClaims(options), exp, ...context });
}

function clientClaims(options: IssueOptions): Partial<ClientClaims> & { readonly sub: string } {
  const models = options.models
    ?.split(",")
    .map((glob) => glob.trim())
    .filter((glob) => glob !== "");
  if (models?.length === 0) throw new CliError("--models names no model", 2);
  return {
    sub: options.sub,
    ...(options.scope === undefined ? {} : { scope: [...SCOPES[options.scope]] }),
    ...(models === undefined ? {} : { models }),
    ...Object.fromEntries(COUNTS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]))),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
    ...(options.url === true ? { url: true } : {}),
  };
}
