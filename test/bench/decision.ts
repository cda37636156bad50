// What one decision costs in time of a processor: 200 hosts, 1,000 requests that wait, requests with prefixes of 64 hashes. No network, no workerd.
import { createFleet, nextWakeAt, step } from "../../src/core/fleet.ts";
import type { FleetEvent } from "../../src/core/fleet.ts";
import { aBeat, aModel, aRegistration, aRequest, aRunning, seededRandom, T0 } from "../core/builders.ts";

const HOSTS = 200;
const SLOTS = 4;
const WAITING = 1_000;
const MODELS = ["a", "b", "c", "d"].map((name) => `registry.ollama.ai/library/${name}:latest`);
const HASHES = 64;
const ROUNDS = 6_000;
const HEARTBEAT_MS = 5_000;

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
const running = new Map<string, string>();
const leaseOf = new Map<string, string>();
interface Spent {
  /** Of a processor and by the clock, µs. */
  readonly processor: number;
  readonly clock: number;
}
const spent: Record<string, Spent[]> = {};

function send(name: string, event: FleetEvent): void {
  const startedAt = performance.now();
  const before = process.threadCpuUsage();
  const effects = step(fleet, event, { now, random });
  nextWakeAt(fleet);
  const { user, system } = process.threadCpuUsage(before);
  (spent[name] ??= []).push({ processor: user + system, clock: 1_000 * (performance.now() - startedAt) });
  for (const effect of effects) {
    if (effect.type === "granted") {
      running.set(effect.grant.leaseId, effect.grant.hostId);
      leaseOf.set(effect.requestId, effect.grant.leaseId);
    }
  }
}

function beat(index: number, name: string): void {
  sequence += 1;
  const id = `h${index}`;
  const mine = [...running].filter(([, hostId]) => hostId === id);
  const active = mine.map(([leaseId]) => ({
    id: leaseId,
    model: fleet.leases.get(leaseId)?.model ?? "",
    startedAt: now,
  }));
  const models = MODELS.map((key) => aModel(key, { sizeBytes: 5e9 }));
  const report = {
    sequence,
    models,
    running: MODELS.map((key) => aRunning(key)),
    slots: SLOTS,
    parallel: SLOTS,
    active,
  };
  send(name, { type: "heartbeat", hostId: id, beat: aBeat(report) });
}

function acquire(name: string): void {
  requests += 1;
  // A conversation of some of 3,000, which has grown by some blocks.
  const conversation = Math.floor(random() * 3_000);
  const depth = Math.floor((0.5 + 0.5 * random()) * HASHES);
  const prefix = Array.from({ length: depth }, (_, block) => (block < 4 ? block : conversation * HASHES + block));
  const model = MODELS[conversation % MODELS.length];
  const request = aRequest(`r${requests}`, { prefix, model, promptBytes: depth * 1_024 });
  send(name, { type: "acquire", request, leaseId: `l${requests}` });
}

function settle(name: string): void {
  const ids = [...running.keys()];
  const leaseId = ids[Math.floor(random() * ids.length)];
  if (leaseId === undefined) return;
  running.delete(leaseId);
  send(name, { type: "settle", leaseId, outcome: { type: "served" } });
}

for (let index = 0; index < HOSTS; index += 1) {
  send("setup", { type: "host-registered", registration: aRegistration(`h${index}`) });
  beat(index, "setup");
}
measure("half of the slots free", (HOSTS * SLOTS) / 2);
measure("all slots taken, 1,000 waiting", HOSTS * SLOTS + WAITING);

function measure(title: string, load: number): void {
  while (running.size + fleet.queue.waiting.size < load) acquire("setup");
  for (let round = 0; round < ROUNDS; round += 1) {
    now += 5;
    const warm = round > ROUNDS / 3;
    settle(warm ? `${title}: settle` : "setup");
    acquire(warm ? `${title}: acquire` : "setup");
    if (round % 5 === 0) beat((round / 5) % HOSTS, warm ? `${title}: heartbeat` : "setup");
  }
}

// The processor's own time advances in ticks: its mean is right, and the clock tells how it is spread.
for (const [name, times] of Object.entries(spent)) {
  if (name === "setup") continue;
  const sorted = times.map(({ clock }) => clock).toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * sorted.length)] ?? 0).toFixed(1).padStart(7);
  const mean = (times.reduce((sum, { processor }) => sum + processor, 0) / times.length).toFixed(1).padStart(7);
  console.log(`${name.padEnd(44)} processor mean ${mean} µs; clock p50 ${at(0.5)}, p90 ${at(0.9)}, p99 ${at(0.99)}`);
}
