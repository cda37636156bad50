// What `hive simulate` does: reads or generates the workload, runs the policies, prints and draws.
import { closeSync, openSync, writeSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { MODEL_KINDS } from "../sim/routing/calibration.ts";
import { compare } from "../sim/routing/comparison.ts";
import type { Comparison } from "../sim/routing/comparison.ts";
import { buildFleet, FLEETS } from "../sim/routing/fleets.ts";
import type { FleetName } from "../sim/routing/fleets.ts";
import type { HostSpec } from "../sim/routing/host-spec.ts";
import { writePage } from "../sim/routing/page/page.ts";
import { PEERS } from "../sim/routing/peers/table.ts";
import type { Decided } from "../sim/routing/router.ts";
import { CLAIRVOYANT, ROUTERS } from "../sim/routing/routers.ts";
import { SCENARIOS, upTo } from "../sim/routing/scenarios.ts";
import type { ScenarioName } from "../sim/routing/scenarios.ts";
import { printTable } from "../sim/routing/table.ts";
import { openTraces } from "../sim/routing/trace-files.ts";
import { readAzureTrace, readMooncakeTrace, thinSessions } from "../sim/routing/traces.ts";
import type { Workload } from "../sim/routing/traces.ts";
import type { SimulateOptions } from "./simulate.ts";
import { CliError, print, say } from "./terminal.ts";

const MODEL = "llama3:8b";
/** Ours, what most people have, the strongest peers, the limit. */
const POLICIES = [
  "predicted_latency",
  "least_connections",
  "peer:round_robin",
  "peer:olla_sticky",
  "peer:hivecore_pull",
  "peer:ollama_herd",
  "peer:dynamo",
  CLAIRVOYANT,
];
const OURS = "predicted_latency";
/** Loads of a sweep, as multiples of the load asked for. */
const SWEEP = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6];
/** Sessions of a scenario are thinned with chances of their own, not with those that made them. */
const SWEEP_SEEDS = 1_000;

interface Setting {
  readonly about: string;
  readonly workload: Workload;
  readonly fleet: readonly HostSpec[];

  /** The workload at a multiple of its load; undefined where there is not so much of it. */
  readonly atLoad: (multiple: number) => Workload | undefined;
}

/** Runs one command line. */
export async function runSimulation(options: SimulateOptions): Promise<void> {
  const policies = options.policy ?? POLICIES;
  if (policies.includes("list")) return printPolicies();
  for (const name of policies) {
    if (!ROUTERS.has(name)) throw new CliError(`no policy ${name}; --policy list names them all`, 2);
  }
  const { about, atLoad, ...setting } = readSetting(options);
  if (setting.workload.length === 0) throw new CliError("nothing to run: no request is left of the workload");
  say(`${about}: ${setting.workload.length} requests, ${setting.fleet.length} hosts, seed ${options.seed}`);
  const sweep = options.html === undefined ? [] : SWEEP.map(atLoad).filter((other) => other !== undefined);
  const decisions = options.decisions === undefined ? undefined : openDecisions(options.decisions);
  const { seed } = options;
  const comparison = compare({ ...setting, policies, seed, sweep, onDecision: decisions?.write });
  decisions?.end();
  if (options.json === true) print(JSON.stringify(asJson(comparison), undefined, 2));
  else print(printTable(comparison.results).trimEnd());
  if (options.html === undefined) return;
  const text = `${about}. ${comparison.requests} requests at ${comparison.requestsPerSecond.toFixed(2)} a second, ${setting.fleet.length} hosts, seed ${options.seed}, virtual time.`;
  await writeFile(
    options.html,
    writePage(comparison, { title: "Hive: routing policies compared", about: text, ours: OURS }),
  );
  say(`page written to ${options.html}`);
}

/** One line for each decision, as it is made: of a long trace they are more than need be in memory. */
function openDecisions(path: string): { write: (decided: Decided) => void; end: () => void } {
  const file = openSync(path, "w");
  return {
    write: (decided) => void writeSync(file, `${JSON.stringify(decided)}\n`),
    end() {
      closeSync(file);
      say(`decisions written to ${path}`);
    },
  };
}

function printPolicies(): void {
  for (const name of ROUTERS.keys()) {
    const peer = Object.entries(PEERS).find(([other]) => other === name)?.[1];
    if (peer !== undefined) print(`${name}  re-implemented: ${peer.of}`);
    else print(name === CLAIRVOYANT ? `${name}  a limit: knows all that is to come of each request` : name);
  }
}

function readSetting({ scenario, trace, ...options }: SimulateOptions): Setting {
  if (scenario !== undefined && trace !== undefined) throw new CliError("--scenario and --trace exclude each other", 2);
  return trace === undefined ? scenarioSetting(scenario ?? "A", options.seed) : traceSetting(trace, options);
}

function scenarioSetting(name: string, seed: number): Setting {
  if (!isKey(SCENARIOS, name))
    throw new CliError(`no scenario ${name}; there are ${Object.keys(SCENARIOS).join(", ")}`, 2);
  const { title, fleet, workload }: (typeof SCENARIOS)[ScenarioName] = SCENARIOS[name];
  const about = `scenario ${name}, generated workload: ${title}`;
  const all = workload(openTraces(""), seed);
  const atLoad = (multiple: number): Workload | undefined => {
    return multiple > 1 ? undefined : thinSessions(all, multiple, seed + SWEEP_SEEDS);
  };
  return { about, fleet, workload: all, atLoad };
}

function traceSetting(file: string, options: Omit<SimulateOptions, "trace" | "scenario">): Setting {
  const { fleet: fleetName, parallel, context, keep, seed } = options;
  if (!isKey(FLEETS, fleetName))
    throw new CliError(`no fleet ${fleetName}; there are ${Object.keys(FLEETS).join(", ")}`, 2);
  const fleet = buildFleet(fleetName satisfies FleetName, parallel, [MODEL_KINDS[MODEL]], context);
  const all = upTo(readTrace(file), context);
  const atLoad = (multiple: number): Workload | undefined => {
    return multiple * keep > 1 ? undefined : thinSessions(all, multiple * keep, seed);
  };
  const about = `${basename(file)}, ${(100 * keep).toFixed(0)} % of its sessions, ${MODEL}, ${parallel} slots a host, fleet ${fleetName}`;
  return { about, workload: thinSessions(all, keep, seed), fleet, atLoad };
}

function readTrace(file: string): Workload {
  try {
    return file.endsWith(".csv") ? readAzureTrace(file, MODEL) : readMooncakeTrace(file, MODEL);
  } catch (error) {
    throw new CliError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function asJson({ results, ...rest }: Comparison): unknown {
  return { ...rest, results: results.map(({ name, metrics }) => ({ name, metrics })) };
}

function isKey<T extends object>(record: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(record, key);
}
