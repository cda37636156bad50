// Many clients at once that stay, leave and lose patience, on hosts that fail in every way: afterwards nothing may be left of them.
import { readdir } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { readClosed, tablesOf } from "../../../src/selfhost/closed-connections.ts";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../fleet.ts";
import type { TestFleet } from "../fleet.ts";
import { childOf, residentMb } from "../memory.ts";
import { planVisit, visit } from "./client.ts";
import { strike } from "./faults.ts";
import type { SoakHost } from "./faults.ts";
import { randomOf } from "./random.ts";

const CLIENTS = 14;
const HOSTS = ["a", "b", "c"];
const SLOTS = 2;
const ENV = {
  QUEUE_TIMEOUT: "1500ms",
  QUEUE_LIMIT: "16",
  STALL_LIMIT: "400ms",
  KEEP_ALIVE: "100ms",
  EARLY_COMMIT: "1s",
  ABANDON_LOADS: "500ms",
};
const models = [
  simulatedModel({ name: "quick", decodeTokensPerSecond: 300 }),
  simulatedModel({ name: "slow", decodeTokensPerSecond: 30 }),
  simulatedModel({ name: "cold", decodeTokensPerSecond: 200, loadMs: 500 }),
  simulatedModel({ name: "embedder", capabilities: ["embedding"], embeddingLength: 8, prefillTokensPerSecond: 2_000 }),
];
/** A request has at most 4 s; on a busy machine its end may be late. */
const VISIT_LIMIT_MS = 20_000;

/** What the processes of a fleet hold at an instant. */
export interface Holdings {
  readonly files: Readonly<Record<string, number>>;
  readonly memoryMb: Readonly<Record<string, number>>;
}

export interface SoakReport {
  readonly visits: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly strikes: Readonly<Record<string, number>>;
  /** What no client may see, with its visit. */
  readonly wrongs: readonly string[];
  /** From the end of the last visit until nothing was left. */
  readonly emptiedMs: number;
  readonly early: Holdings;
  readonly late: Holdings;
}

class Tally {
  readonly counts: Record<string, number> = {};

  add(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

/** What happens during a soak, and what came of it so far. */
class Soak {
  readonly outcomes = new Tally();
  readonly strikes = new Tally();
  readonly wrongs: string[] = [];
  readonly #fleet: TestFleet;
  readonly #seed: number;
  readonly #until: number;

  constructor(fleet: TestFleet, seed: number, durationMs: number) {
    this.#fleet = fleet;
    this.#seed = seed;
    this.#until = performance.now() + durationMs;
  }

  async keepVisiting(token: string, client: number): Promise<void> {
    const random = randomOf(this.#seed * 1_000 + client);
    while (this.#isOn()) {
      const planned = planVisit(random);
      const { outcome, wrong } = await withinLimit(visit(this.#fleet.url, token, planned), JSON.stringify(planned));
      this.outcomes.add(String(outcome));
      if (wrong !== undefined) this.wrongs.push(`${wrong} for ${JSON.stringify(planned).slice(0, 300)}`);
      if (outcome !== 200) await wait(planned.pauseMs);
    }
  }

  async keepStriking(hosts: readonly SoakHost[]): Promise<void> {
    const random = randomOf(this.#seed);
    while (this.#isOn()) {
      this.strikes.add(await strike(this.#fleet, random.pick(hosts), random));
      await wait(random.between(100, 800));
    }
  }

  #isOn(): boolean {
    return performance.now() < this.#until;
  }
}

/** Soaks a fleet of its own for so long; rejects, naming what is left, where something is. */
export async function soak(seed: number, durationMs: number): Promise<SoakReport> {
  const fleet = await startFleet(ENV);
  try {
    for (const id of HOSTS) await fleet.addHost(id, { models, slots: 4, maxLoadedModels: 2, keepRequests: 0 }, SLOTS);
    const hosts = fleet.hosts.map(({ id, agent }): SoakHost => ({ id, agent, slots: SLOTS, isMortal: id === "c" }));
    // Each request that finds its model still loading counts as the cause of a load.
    const token = await fleet.clientToken({ loads: 1_000_000 });
    const under = new Soak(fleet, seed, durationMs);
    const [early] = await Promise.all([
      wait(durationMs / 3).then(async () => await holdingsOf(fleet, hosts)),
      under.keepStriking(hosts),
      ...Array.from({ length: CLIENTS }, async (_, client) => await under.keepVisiting(token, client)),
    ]);
    await Promise.all(fleet.hosts.map(async ({ ollama }) => await ollama.clearFaults()));
    const endedAt = performance.now();
    await expectNothingLeft(fleet);
    const emptiedMs = Math.round(performance.now() - endedAt);
    const late = await holdingsOf(fleet, hosts);
    const outcomes = under.outcomes.counts;
    const visits = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
    return { visits, outcomes, strikes: under.strikes.counts, wrongs: under.wrongs, emptiedMs, early, late };
  } finally {
    await fleet.close();
  }
}

async function withinLimit<T>(work: Promise<T>, about: string): Promise<T> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(
    () => timer.reject(new Error(`no end within ${VISIT_LIMIT_MS} ms: ${about}`)),
    VISIT_LIMIT_MS,
  );
  try {
    return await Promise.race([work, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}

/** No lease at cell or agent, nobody in the queue, no load, nothing at any Ollama, no client's connection half open. */
async function expectNothingLeft(fleet: TestFleet): Promise<void> {
  const port = Number(new URL(fleet.url).port);
  const tables = await tablesOf(port);
  let left = "";
  const isNothing = async (): Promise<boolean> => {
    const { hosts, activeLeases, queued } = await fleet.readFleet();
    left = JSON.stringify({
      cell: { activeLeases, queued },
      agents: hosts.map(({ id, status, reportedLeases, loading }) => ({
        id,
        status,
        reportedLeases,
        loads: loading.length,
      })),
      ollamas: fleet.hosts.map(({ id, ollama }) => ({ id, ...ollama.gauges() })),
      halfOpen: await readClosed(port, tables),
    });
    const atAgents = hosts.every(({ reportedLeases, loading }) => reportedLeases === 0 && loading.length === 0);
    const atOllamas = fleet.hosts.every(
      ({ ollama }) => ollama.gauges().activeGenerations + ollama.gauges().waiting === 0,
    );
    return activeLeases + queued === 0 && atAgents && atOllamas && (await readClosed(port, tables)).length === 0;
  };
  await eventually("nothing is left", isNothing, 30_000).catch((cause: unknown) => {
    throw new Error(`left behind: ${left}`, { cause });
  });
}

async function holdingsOf(fleet: TestFleet, hosts: readonly SoakHost[]): Promise<Holdings> {
  const serve = fleet.edge.child.pid ?? 0;
  const processes = { serve, workerd: await childOf(serve, "workerd") };
  for (const { id, agent, isMortal } of hosts) if (!isMortal) Object.assign(processes, { [id]: agent.child.pid ?? 0 });
  const files: Record<string, number> = {};
  const memoryMb: Record<string, number> = {};
  for (const [name, pid] of Object.entries(processes)) {
    files[name] = (await readdir(`/proc/${pid}/fd`)).length;
    memoryMb[name] = await residentMb(pid);
  }
  return { files, memoryMb };
}
