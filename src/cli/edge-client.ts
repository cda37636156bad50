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
  }).catch(() => undefined);
  if (response === undefined) throw new CliError(`no answer from ${target.edge}; is hive running there?`);
  const text = await response.text();
  if (!response.ok) throw new CliError(explain(response.status, text));
  return text === "" ? undefined : parseJson(text);
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
  const response = await fetch(target.edge + path, sent).catch(() => undefined);
  if (response === undefined) throw new CliError(`no answer from ${target.edge}; is hive running there?`);
  return response;
}

/** The fleet as the edge sees it. */
export async function readFleet(target: EdgeTarget): Promise<FleetView> {
  return (await callEdge(target, "GET", "/fleet")) as FleetView;
}

/** HIVE_TOKEN, or a short admin token made from the keys of the folder. */
export async function adminToken(stateDir: string): Promise<string> {
  const given = process.env["HIVE_TOKEN"];
  if (given !== undefined && given !== "") return given;
  const stored = await readKeys(stateDir);
  if (stored === undefined) throw new CliError("no admin token: set HIVE_TOKEN, or --state to a folder with the keys");
  return issueAdminToken(stored.keys, { sub: "hive-cli", issuer: await readIssuer(stateDir), now: Date.now() });
}

function explain(status: number, text: string): string {
  const problem = problemSchema.safeParse(parseJson(text));
  const words = problem.success ? (problem.data.detail ?? problem.data.title) : undefined;
  const code = problem.success && problem.data.code !== undefined ? `, ${problem.data.code}` : "";
  return `the edge refused: ${words ?? "no reason given"} (${String(status)}${code})`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
