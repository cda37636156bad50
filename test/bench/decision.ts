// What one event costs the cell's fleet, decisions included: 200 hosts of different speeds, 1,000 requests that wait, prompts of up to 64 hashes. No network, no workerd.
import { createFleet, nextWakeAt, step } from "../../src/core/fleet.ts";
import type { FleetEvent } from "../../src/core/fleet.ts";
import type { FinishedLease } from "../../src/wire/heartbeat.ts";
import { aBeat, aModel, aRegistration, aRequest, aRunning, seededRandom, T0 } from "../core/builders.ts";

const HOSTS = 200;
const SLOTS = 4;
const WAITING = 1_000;
const MODELS = ["a", "b", "c", "d"].map((name) => `registry.ollama.ai/library/${name}:latest`);
const HASHES = 64;
const BLOCK_BYTES = 1_024;
/** Blocks that all prompts for a model begin with. */
const SHARED = 4;
const CONVERSATIONS = 3_000;
const ANSWER_TOKENS = 100;
const ROUNDS = 6_000;
const HEARTBEAT_MS = 5_000;
/** The same seed makes the same events: the fastest time of each is what other work on the machine did not take. */
const RUNS = 5;

/** Of 52 bits, as the edge's are: no small integers, which would be faster to look up. */
function hashOf(number: number): number {
  return 2 ** 51 + number * 1_000_003;
}

/** By the clock, µs, in order; by kind of event. */
type Spent = Record<string, number[]>;

function run(): Spent {
  const random = seededRandom(1);
  const fleet = createFleet(
    {
      maxInstances: HOSTS,
      queueTimeoutMs: 3_600_000,
      queueLimit: 10_000,
      heartbeatIntervalMs: HEARTBEAT_MS,
      policy: "predicted_latency",
    },
    T0,
  );
  let now = T0;
  let sequence = 0;
  let requests = 0;
  const running: { readonly leaseId: string; readonly hostId: string }[] = [];
  const finished = new Map<string, FinishedLease[]>();
  const spent: Spent = {};

  function send(name: string, event: FleetEvent): void {
    const startedAt = performance.now();
    const effects = step(fleet, event, { now, random });
    nextWakeAt(fleet);
    (spent[name] ??= []).push(1_000 * (performance.now() - startedAt));
    for (const effect of effects) {
      if (effect.type === "granted") running.push({ leaseId: effect.grant.leaseId, hostId: effect.grant.hostId });
    }
  }

  function beat(index: number, name: string): void {
    sequence += 1;
    const id = `h${index}`;
    const leases = [...(fleet.hosts.get(id)?.leases.values() ?? [])];
    const report = {
      sequence,
      models: MODELS.map((key) => aModel(key, { sizeBytes: 5e9 })),
      running: MODELS.map((key) => aRunning(key)),
      slots: SLOTS,
      parallel: SLOTS,
      active: leases.map((lease) => ({ id: lease.id, model: lease.model ?? "", startedAt: lease.grantedAt })),
      finished: finished.get(id) ?? [],
    };
    finished.delete(id);
    send(name, { type: "heartbeat", hostId: id, beat: aBeat(report) });
  }

  /** As a host reports it whose speed is one of four. */
  function finish(leaseId: string, hostId: string): void {
    const work = fleet.leases.get(leaseId)?.work;
    if (work === undefined) return;
    const faster = 1 + (Number(hostId.slice(1)) % 4);
    const promptTokens = work.request.promptBytes / 4;
    const promptMs = promptTokens / (2 * faster);
    const outputMs = (ANSWER_TOKENS * 40) / faster;
    const lease = { id: leaseId, model: work.runner.model, outcome: "served" } as const;
    const measured = { promptTokens, promptMs, outputTokens: ANSWER_TOKENS, outputMs, loadMs: 3 };
    const known = finished.get(hostId) ?? [];
    finished.set(hostId, [...known, { ...lease, ...measured, totalMs: 5 + promptMs + outputMs }]);
  }

  function acquire(name: string): void {
    requests += 1;
    const conversation = Math.floor(random() * CONVERSATIONS);
    const depth = Math.floor((0.5 + 0.5 * random()) * HASHES);
    const shared = conversation % MODELS.length;
    const prefix = Array.from({ length: depth }, (_, block) =>
      hashOf((block < SHARED ? shared : MODELS.length + conversation) * HASHES + block),
    );
    const prefixEnds = prefix.map((_, block) => (block + 1) * BLOCK_BYTES);
    const model = MODELS[shared];
    const request = aRequest(`r${requests}`, { prefix, prefixEnds, model, promptBytes: depth * BLOCK_BYTES });
    send(name, { type: "acquire", request, leaseId: `l${requests}` });
  }

  function settle(name: string): void {
    const place = Math.floor(random() * running.length);
    const one = running[place];
    const last = running.pop();
    if (one === undefined || last === undefined) return;
    if (one !== last) running[place] = last;
    const { leaseId, hostId } = one;
    finish(leaseId, hostId);
    send(name, { type: "settle", leaseId, outcome: { type: "served" } });
  }

  for (let index = 0; index < HOSTS; index += 1) {
    send("setup", { type: "host-registered", registration: aRegistration(`h${index}`) });
    beat(index, "setup");
  }
  measure("half of the slots free", (HOSTS * SLOTS) / 2);
  measure("all slots taken, 1,000 waiting", HOSTS * SLOTS + WAITING);

  function measure(title: string, load: number): void {
    while (running.length + fleet.queue.waiting.size < load) acquire("setup");
    for (let round = 0; round < ROUNDS; round += 1) {
      now += 5;
      const warm = round > ROUNDS / 3;
      settle(warm ? `${title}: settle` : "setup");
      acquire(warm ? `${title}: acquire` : "setup");
      if (round % 5 === 0) beat((round / 5) % HOSTS, warm ? `${title}: heartbeat` : "setup");
    }
  }
  report = `${fleet.prefixes.size} beginnings of prompts are remembered`;
  return spent;
}

function percentiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * sorted.length)] ?? 0).toFixed(1).padStart(6);
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}`;
}

let report = "";
const runs = Array.from({ length: RUNS }, run);
console.log(`µs by the clock, all of ${RUNS} runs; the fastest of them for each event`);
for (const name of Object.keys(runs[0] ?? {})) {
  if (name === "setup") continue;
  const times = runs.map((spent) => spent[name] ?? []);
  const fastest = (times[0] ?? []).map((_, event) => Math.min(...times.map((own) => own[event] ?? Infinity)));
  console.log(`${name.padEnd(42)} ${percentiles(times.flat())}; ${percentiles(fastest)}`);
}
const { heapUsed } = process.memoryUsage();
console.log(`${report}; ${(heapUsed / 2 ** 20).toFixed(0)} MiB in all`);
