// The edge as `hive doctor` sees it: that it answers, with these keys, and at about this time.
import * as z from "zod";
import { readIfThere } from "../selfhost/files.ts";
import { healthSchema } from "../wire/health.ts";
import type { Finding } from "./doctor-findings.ts";
import { fail, ok, warn } from "./doctor-findings.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { keysPath, readKeys } from "./state.ts";

const TIMEOUT_MS = 5_000;
/** Tokens are valid 30 s around their time. */
const CLOCK_LIMIT_MS = 30_000;

const jwksSchema = z.object({ keys: z.array(z.object({ kid: z.string(), x: z.string() })) });

/** Asks the edge; a later check makes sense only where none of these failed. */
export async function examineEdge({ edge, state }: EdgeTarget): Promise<Finding[]> {
  const askedAt = Date.now();
  const health = await ask(`${edge}/hive/healthz`);
  if (health === undefined) {
    const start = "start it with `npx hive serve` (or `npm start`), or say where it is with HIVE_URL or --edge";
    return [fail("edge", `nothing answers at ${edge}`, start)];
  }
  if (health.status !== 200)
    return [fail("edge", `${edge} answers its health check with ${String(health.status)}`, "is that address Hive's?")];
  const tookMs = Date.now() - askedAt;
  const told = healthSchema.safeParse(await jsonOf(health));
  return [
    ok("edge", `answers at ${edge} in ${String(tookMs)} ms`),
    ...(told.success ? [examineClock(told.data.timeMs, askedAt, tookMs)] : []),
    await examineKeys(edge, state),
  ];
}

function examineClock(edgeAt: number, askedAt: number, tookMs: number): Finding {
  const offMs = Math.max(0, Math.abs(edgeAt - askedAt) - tookMs);
  if (offMs <= CLOCK_LIMIT_MS) return ok("clock", "this machine and the edge agree about the time");
  const says = `this machine and the edge differ by ${String(Math.round(offMs / 1000))} s`;
  return fail("clock", says, "set this machine's clock (NTP): tokens made here are refused");
}

async function examineKeys(edge: string, state: string): Promise<Finding> {
  if ((process.env["HIVE_TOKEN"] ?? "") !== "") return ok("keys", "HIVE_TOKEN is used; no keys are needed here");
  const path = keysPath(state);
  if ((await readIfThere(path)) === undefined)
    return fail(
      "keys",
      `no keys in ${path}`,
      "run this where `hive init` made the keys, with --state, or set HIVE_TOKEN",
    );
  const stored = await readKeys(state);
  const published = jwksSchema.safeParse(await jsonOf(await ask(`${edge}/.well-known/jwks.json`)));
  if (!published.success)
    return fail("keys", "the edge does not publish its keys", "look at its log: HIVE_KEYS or a variable may be bad");
  const theirs = new Set(published.data.keys.map(({ kid, x }) => `${kid} ${x}`));
  const isSame = stored?.keys.jwks.keys.every(({ kid, x }) => theirs.has(`${kid} ${x}`)) === true;
  if (isSame) return ok("keys", `the edge runs with the keys in ${path}`);
  const fix = "give the edge these keys (`npx hive init --deploy`), or point --state at the folder with the edge's own";
  return warn("keys", `the edge runs with other keys than those in ${path}`, fix);
}

async function ask(url: string): Promise<Response | undefined> {
  return await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => undefined);
}

async function jsonOf(response: Response | undefined): Promise<unknown> {
  try {
    return await response?.json();
  } catch {
    return undefined;
  }
}
