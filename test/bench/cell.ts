// What one cell can do on plain workerd: leases and heartbeats per second, and the memory of a full cell.
// The Worker that loads the cell shares its thread, and its half of every call is in the figures: they are floors.
import type { FleetView } from "../../src/wire/fleet-view.ts";
import type { CellLoad } from "./cell-load.ts";
import { HEAP_MAX_MB, startInspectedWorkerd } from "./inspected-workerd.ts";
import type { InspectedWorkerd } from "./inspected-workerd.ts";
import { runLoad } from "./load.ts";

const ROUNDS = 3;
const MODELS = 20;
const AT_ONCE = 32;
/** A full cell: every slot of 200 hosts taken, and 1,000 requests that wait. */
const FULL = { hosts: 200, slots: 4, waiting: 1_000 };
const FULL_CLIENTS = FULL.hosts * FULL.slots + FULL.waiting;
const MB = 1_000_000;
const withProfile = process.argv.includes("--profile");

console.log(`one cell on plain workerd, in an isolate that may hold ${HEAP_MAX_MB} MB:`);
await onWorkerd(async (workerd) => {
  for (const hosts of [2, 20, 200]) await measureHosts(workerd, hosts);
  await measureSaturated(workerd);
});
// Processes of their own: looking into a heap makes the process grow.
const resident = await growthOfFull((workerd) => workerd.residentBytes());
const heap = await growthOfFull((workerd) => workerd.heapBytes());
console.log(
  `${FULL.hosts} hosts, all slots taken, ${FULL.waiting} waiting: the isolate's heap grew by ${(heap / MB).toFixed(1)} MB, the process by ${(resident / MB).toFixed(1)} MB`,
);

async function measureHosts(workerd: InspectedWorkerd, hosts: number): Promise<void> {
  const cell = `hosts-${hosts}`;
  await send(workerd, { type: "hosts", cell, hosts, models: MODELS, slots: 64 });
  const pairs = { type: "pairs", cell, models: MODELS, clients: AT_ONCE, count: 3_000 } as const;
  await send(workerd, pairs);
  const leases = await rate(workerd, pairs.count, async () => await send(workerd, pairs));
  console.log(`${hosts} hosts, ${AT_ONCE} at once, leases (acquire and settle): ${leases}`);
  await profile(workerd, pairs);

  const body = JSON.stringify({ ...pairs, clients: 1, count: 1 });
  const load = { url: workerd.url, headers: {}, body, connections: AT_ONCE, requests: 3_000 };
  const http = await rate(workerd, load.requests, async () => await runLoad(load));
  console.log(`${hosts} hosts, ${AT_ONCE} at once, leases, each in an HTTP request of its own: ${http}`);

  let from = 1;
  const beats = await rate(workerd, 2_000, async () => {
    await send(workerd, { ...pairs, type: "heartbeats", hosts, slots: 64, from, count: 2_000 });
    from += 2_000;
  });
  console.log(`${hosts} hosts, heartbeats of ${MODELS} models: ${beats}`);
}

async function measureSaturated(workerd: InspectedWorkerd): Promise<void> {
  const cell = "saturated";
  await send(workerd, { type: "hosts", cell, hosts: FULL.hosts, models: MODELS, slots: FULL.slots });
  const pairs = { type: "pairs", cell, models: MODELS, clients: FULL_CLIENTS, count: 6_000 } as const;
  const leases = await rate(workerd, pairs.count, async () => await send(workerd, pairs));
  console.log(`${FULL.hosts} hosts, ${FULL.waiting} always waiting, leases: ${leases}`);
  await profile(workerd, pairs);
}

/** How much a quantity grows, bytes, when an empty cell becomes a full one. */
async function growthOfFull(measure: (workerd: InspectedWorkerd) => Promise<number>): Promise<number> {
  return await onWorkerd(async (workerd) => {
    const cell = "full";
    await send(workerd, { type: "look", cell });
    const before = await measure(workerd);
    await send(workerd, { type: "hosts", cell, hosts: FULL.hosts, models: MODELS, slots: FULL.slots });
    // Held open until this workerd is closed.
    send(workerd, { type: "wait", cell, models: MODELS, count: FULL_CLIENTS }).catch(() => undefined);
    for (;;) {
      const view = (await send(workerd, { type: "look", cell })) as FleetView;
      if (view.queued === FULL.waiting && view.activeLeases === FULL.hosts * FULL.slots) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return (await measure(workerd)) - before;
  });
}

async function onWorkerd<Value>(work: (workerd: InspectedWorkerd) => Promise<Value>): Promise<Value> {
  const entry = new URL("worker/cell-load.ts", import.meta.url).pathname;
  const workerd = await startInspectedWorkerd(entry, {
    MAX_INSTANCES: "1000",
    QUEUE_LIMIT: "10000",
    QUEUE_TIMEOUT: "10m",
    HEARTBEAT_INTERVAL: "10m",
  });
  try {
    return await work(workerd);
  } finally {
    await workerd.close();
  }
}

/** Medians over the rounds: per second, and per second of processor time of workerd, which is one thread. */
async function rate(workerd: InspectedWorkerd, count: number, work: () => Promise<unknown>): Promise<string> {
  const rounds: { perSecond: number; perCpuSecond: number }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [startedAt, cpuBefore] = [performance.now(), await workerd.cpuSeconds()];
    await work();
    const seconds = (performance.now() - startedAt) / 1000;
    const cpuSeconds = (await workerd.cpuSeconds()) - cpuBefore;
    rounds.push({ perSecond: count / seconds, perCpuSecond: count / cpuSeconds });
  }
  const median = (pick: (round: (typeof rounds)[number]) => number) =>
    (rounds.map(pick).toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN).toFixed(0);
  return `${median(({ perSecond }) => perSecond)} per second (${median(({ perCpuSecond }) => perCpuSecond)} per second of workerd's processor time)`;
}

async function profile(workerd: InspectedWorkerd, load: CellLoad): Promise<void> {
  if (!withProfile) return;
  const shares = await workerd.profile(async () => void (await send(workerd, load)));
  for (const { where, share } of shares.slice(0, 25))
    console.log(`${(share * 100).toFixed(1).padStart(9)} %  ${where}`);
}

async function send(workerd: InspectedWorkerd, load: CellLoad): Promise<unknown> {
  const answer = await fetch(workerd.url, { method: "POST", body: JSON.stringify(load) });
  if (!answer.ok) throw new Error(`${load.type}: the Worker answered ${answer.status} ${await answer.text()}`);
  return await answer.json();
}
