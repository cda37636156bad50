// What real client libraries see when hosts die, between their requests and during them: nothing while another host has the
// model and no byte was sent; afterwards an error that they raise, never a shorter answer that looks whole.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/model.ts";
import { REAL_CLIENTS } from "../support/clients/all.ts";
import { refusalOf } from "../support/clients/client.ts";
import type { Access, Asked, RealClient, Said } from "../support/clients/client.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { FleetHost, TestFleet } from "../support/fleet.ts";

const COUNT = REAL_CLIENTS.length;
const models = [
  simulatedModel({ name: "llama3.2" }),
  simulatedModel({ name: "slow", decodeTokensPerSecond: 20, answerTokens: 30 }),
];
const QUICK = { model: "llama3.2", prompt: "Why is the sky blue?" };
const SLOW = { model: "slow", prompt: "Why is the sky blue?" };
let fleet: TestFleet;
let hive: Access;

beforeEach(async () => {
  fleet = await startFleet({ LOAD_BALANCING_STRATEGY: "round_robin" });
  await Promise.all(["a", "b", "c"].map(async (id) => await fleet.addHost(id, { models, slots: COUNT }, COUNT)));
  hive = { url: fleet.url, token: fleet.token };
}, 60_000);
afterEach(async () => await fleet.close());

async function all<Answer>(ask: (client: RealClient) => Promise<Answer>): Promise<Answer[]> {
  return await Promise.all(REAL_CLIENTS.map(ask));
}

async function straight(how: "whole" | "streamed", asked: Asked): Promise<Said[]> {
  const direct = { url: fleet.hosts[2]?.ollama.url ?? "", token: "none" };
  return await all(async (client) => await client[how](direct, asked));
}

const generating = (host: FleetHost | undefined): number => host?.ollama.gauges().activeGenerations ?? 0;

async function kill(...hosts: readonly (FleetHost | undefined)[]): Promise<void> {
  await Promise.all(hosts.map(async (host) => await host?.agent.stop("SIGKILL")));
}

it("fails no request of any client when a host is killed between requests", async () => {
  const expected = [await straight("whole", QUICK), await straight("streamed", QUICK)];
  await kill(fleet.hosts[0]);
  expect([
    await all(async (client) => await client.whole(hive, QUICK)),
    await all(async (client) => await client.streamed(hive, QUICK)),
  ]).toEqual(expected);
});

it("fails no whole answer of any client when a host is killed in the middle of it", async () => {
  const expected = await straight("whole", SLOW);
  const asking = all(async (client) => await client.whole(hive, SLOW));
  await eventually("all are being answered, some by the host that dies", () => {
    const counts = fleet.hosts.map(generating);
    return counts.reduce((sum, count) => sum + count, 0) === COUNT && counts[0] !== 0;
  });
  await kill(fleet.hosts[0]);
  expect(await asking).toEqual(expected);
});

it.each([{ kind: "reset" } as const, { kind: "die", atToken: 0 } as const])(
  "fails no client when an Ollama dies before its first byte ($kind)",
  async (fault) => {
    const expected = [await straight("whole", QUICK), await straight("streamed", QUICK)];
    const [dying] = fleet.hosts;
    await dying?.ollama.setFault(fault);
    const before = dying?.ollama.requests.length ?? 0;
    expect([
      await all(async (client) => await client.whole(hive, QUICK)),
      await all(async (client) => await client.streamed(hive, QUICK)),
    ]).toEqual(expected);
    expect(dying?.ollama.requests.length).toBeGreaterThan(before);
  },
);

/** What the caller of each library learns of a stream that broke. */
async function toldOfBreak(client: RealClient): Promise<string> {
  if (client.dropsErrorRecords !== true) return await refusalOf(client.streamed(hive, SLOW));
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const { stop, outputTokens } = await client.streamed(hive, SLOW);
  return stop === "other" && outputTokens === undefined ? "incomplete: no proper end" : `ended with ${String(stop)}`;
}

it("raises an error in every client when all hosts are killed in the middle of its stream", async () => {
  const reading = all(toldOfBreak);
  await eventually("all are being answered", async () => {
    const counts = fleet.hosts.map(generating);
    return counts.reduce((sum, count) => sum + count, 0) === COUNT;
  });
  // A few tokens reach every client first: 50 ms each.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await kill(...fleet.hosts);
  for (const reason of await reading) expect(reason).toMatch(/incomplete/);
});

it("raises an error in every client when every Ollama dies in the middle of its stream, and serves it again once they live", async () => {
  for (const host of fleet.hosts) await host.ollama.setFault({ kind: "die", atToken: 5 });
  const reasons = await all(toldOfBreak);
  for (const reason of reasons) expect(reason).toMatch(/incomplete/);
  for (const host of fleet.hosts) await host.ollama.clearFaults();
  expect((await all(async (client) => await client.streamed(hive, QUICK))).every(({ text }) => text !== "")).toBe(true);
});

it("tells every client in its own API's shape when no host can answer", async () => {
  await kill(...fleet.hosts);
  for (const how of ["whole", "streamed"] as const)
    for (const reason of await all(async (client) => await refusalOf(client[how](hive, QUICK))))
      expect(reason).toMatch(/hive: /);
});
