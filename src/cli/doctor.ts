// `hive doctor`: walks the chain from this machine to every Ollama, and says what to fix.
import type { Command } from "commander";
import { examineEdge } from "./doctor-edge.ts";
import { fail, ok } from "./doctor-findings.ts";
import type { Finding } from "./doctor-findings.ts";
import { examineHosts } from "./doctor-hosts.ts";
import type { EdgeTarget } from "./edge-client.ts";
import { adminToken, readFleet } from "./edge-client.ts";
import { STATE_FLAG, URL_FLAG } from "./flags.ts";
import { CliError, print } from "./terminal.ts";

const PROBE_TIMEOUT_MS = 10_000;
const MARKS = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("check the whole chain and say what to fix; exit 1 where something is broken")
    .option("--json", "as JSON")
    .addOption(URL_FLAG)
    .addOption(STATE_FLAG)
    .action(run);
}

async function run(options: EdgeTarget & { readonly json?: boolean }): Promise<void> {
  const findings = await examine(options);
  print(options.json === true ? JSON.stringify(findings, undefined, 2) : findings.map(lineOf).join("\n"));
  const broken = findings.filter(({ status }) => status === "fail").length;
  if (broken > 0) throw new CliError(`${String(broken)} of ${String(findings.length)} checks failed`);
}

/** Every finding, in the order in which a request meets the links. */
async function examine(target: EdgeTarget): Promise<Finding[]> {
  const atEdge = await examineEdge(target);
  if (atEdge.some(({ status }) => status === "fail")) return atEdge;
  try {
    const fleet = await readFleet(target);
    const token = await adminToken(target.state);
    const atHosts = await examineHosts(fleet, async ({ id }, model) => await probe(target.edge, token, { id, model }));
    return [...atEdge, ok("operator", "may read the fleet"), ...atHosts];
  } catch (cause) {
    if (!(cause instanceof CliError)) throw cause;
    const fix = "use the keys that the edge runs with (--state), or an admin token of it (HIVE_TOKEN)";
    return [...atEdge, fail("operator", cause.message, fix)];
  }
}

/** Asks one host, through edge, tunnel and agent, what a model of its is: it takes no slot and loads nothing. */
async function probe(
  edge: string,
  token: string,
  { id, model }: { id: string; model: string },
): Promise<string | undefined> {
  try {
    const response = await fetch(`${edge}/api/show`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "hive-host": id },
      body: JSON.stringify({ model }),
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
    });
    await response.body?.cancel();
    if (response.status !== 200) return `the edge answers ${String(response.status)}`;
    const answeredBy = response.headers.get("hive-host");
    return answeredBy === id ? undefined : `answered by ${answeredBy ?? "no host"}`;
  } catch {
    return "no answer in time";
  }
}

function lineOf({ check, status, says, fix }: Finding): string {
  return `${MARKS[status]}  ${check}: ${says}${fix === undefined ? "" : `\n      → ${fix}`}`;
}
