// Calls of the edge's operator routes, with HIVE_TOKEN or a short admin token made from the keys at hand.
import * as z from "zod";
import { issueAdminToken } from "../auth/admin-token.ts";
import type { FleetView } from "../wire/fleet-view.ts";
import { readIssuer, readKeys } from "./state.ts";
import { CliError } from "./terminal.ts";

export interface EdgeTarget {
  readonly edge: string;
  readonly state: string;
}

const CALL_TIMEOUT_MS = 15_000;
const problemSchema = z.object({
  code: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
});

/** Calls a route under /hive/v1 and gives its JSON (undefined for an empty answer); fails with one line. */
export async function callEdge(
  target: EdgeTarget,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: object,
): Promise<unknown> {
  const token = await adminToken(target.state);
  const response = await fetch(`${target.edge}/hive/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: "manual",
    signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
  }).catch((cause: unknown) => {
    throw noAnswer(target.edge, cause);
  });
  const text = await response.text();
  if (!response.ok) throw new CliError(explain(target.edge, response.status, text));
  const json = text === "" ? undefined : parseJson(text);
  if (text !== "" && json === undefined) throw new CliError(notHive(target.edge, response.status));
  return json;
}

export interface OpenCall {
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;
}

/** Calls one of the edge's routes for clients; the answer may take as long as it takes. */
export async function openEdge(
  target: EdgeTarget,
  method: "POST" | "DELETE",
  path: string,
  { body, headers }: OpenCall,
): Promise<Response> {
  const authorization = `Bearer ${await adminToken(target.state)}`;
  const sent = {
    method,
    headers: { ...headers, authorization },
    body: JSON.stringify(body),
    redirect: "manual",
  } as const;
  return await fetch(target.edge + path, sent).catch((cause: unknown) => {
    throw noAnswer(target.edge, cause);
  });
}

/** The fleet as the edge sees it. */
export async function readFleet(target: EdgeTarget): Promise<FleetView> {
  return (await callEdge(target, "GET", "/fleet")) as FleetView;
}

/** HIVE_TOKEN, or a short admin token made from the keys of the folder. */
export async function adminToken(stateDir: string): Promise<string> {
  const given = tokenOfEnvironment();
  if (given !== undefined) return given;
  const stored = await readKeys(stateDir);
  if (stored === undefined) throw new CliError("no admin token: set HIVE_TOKEN, or --state to a folder with the keys");
  return issueAdminToken(stored.keys, { sub: "hive-cli", issuer: await readIssuer(stateDir), now: Date.now() });
}

/** HIVE_TOKEN, or undefined where it is not set; fails where it cannot be a token, without a word of it. */
export function tokenOfEnvironment(): string | undefined {
  const given = process.env["HIVE_TOKEN"]?.trim() ?? "";
  if (given === "") return undefined;
  if (!/^[\x21-\x7e]+$/.test(given)) throw new CliError("HIVE_TOKEN holds characters that no token has", 2);
  return given;
}

const FAULTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "names cannot be looked up now",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
};

/** Why a call got no answer, in one line. */
export function noAnswer(edge: string, cause: unknown): CliError {
  const fault = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const code = fault instanceof Error && "code" in fault ? String(fault.code) : "";
  const isLate = fault instanceof Error && fault.name === "TimeoutError";
  const said = fault instanceof Error ? fault.message : "the call failed";
  const words = isLate ? "not in time" : (FAULTS[code] ?? (code || said));
  return new CliError(`no answer from ${edge} (${words}); is hive running there?`);
}

function explain(edge: string, status: number, text: string): string {
  const problem = problemSchema.safeParse(parseJson(text));
  const words = problem.success ? (problem.data.detail ?? problem.data.title) : undefined;
  if (!problem.success || words === undefined) return notHive(edge, status);
  const code = problem.data.code === undefined ? "" : `, ${problem.data.code}`;
  return `the edge refused: ${words} (${String(status)}${code})`;
}

function notHive(edge: string, status: number): string {
  return `${edge} answered ${String(status)}, and not as Hive does; is that its address?`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
