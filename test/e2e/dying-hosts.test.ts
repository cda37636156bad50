// What real client libraries see when hosts die, between their requests and during them: nothing while another host has the
// model and no byte was sent; afterwards an error that they raise, never a shorter answer that looks whole.
// One fleet of four hosts goes through all of it, in this order, until none is left.
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { REAL_CLIENTS } from "../support/clients/all.ts";
import { refusalOf } from "../support/clients/client.ts";
import type { Access, Asked, RealClient, Said } from "../support/clients/client.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { FleetHost, TestFleet } from "../support/fleet.ts";

const COUNT = REAL_CLIENTS.length;
const models = [
  simulatedModel({ name: "llama3.2" }),
  simulatedModel({ name: "slow", decodeTokensPerSecond: 15, answerTokens: 45 }),
];
const QUICK = { model: "llama3.2", prompt: "Why is the sky blue?" };
const SLOW = { model: "slow", prompt: "Why is the sky blue?" };
let fleet: TestFleet;
let hive: Access;
/** What every client says straight from an Ollama. */
let quick: { readonly whole: Said[]; readonly streamed: Said[] };

beforeAll(async () => {
  fleet = await startFleet({ LOAD_BALANCING_STRATEGY: "round_robin" });
  await Promise.all(["a", "b", "c", "d"].map(async (id) => await fleet.addHost(id, { models, slots: COUNT }, COUNT)));
  hive = { url: fleet.url, token: fleet.token };
  quick = { whole: await straight("whole", QUICK), streamed: await straight("streamed", QUICK) };
});
afterAll(async () => await fleet.close());

async function all<Answer>(ask: (client: RealClient) => Promise<Answer>): Promise<Answer[]> {
  return await Promise.all(REAL_CLIENTS.map(ask));
}

async function straight(how: "whole" | "streamed", asked: Asked): Promise<Said[]> {
  const direct = { url: fleet.hosts[3]?.ollama.url ?? "", token: "none" };
  return await all(async (client) => await client[how](direct, asked));
}

/** What every client says through Hive. */
async function throughHive(): Promise<typeof quick> {
  return {
    whole: await all(async (client) => await client.whole(hive, QUICK)),
    streamed: await all(async (client) => await client.streamed(hive, QUICK)),
  };
}

function named(id: string): FleetHost {
  const found = fleet.hosts.find((host) => host.id === id);
  if (found === undefined) throw new Error(`no host ${id}`);
  return found;
}

async function kill(...ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map(async (id) => await named(id).agent.stop("SIGKILL")));
}

/** Asks until the host has answered a request: one that has failed before is tried again after a while. */
async function untilTrusted(id: string): Promise<void> {
  await eventually(
    `host ${id} is given work`,
    async () => {
      const response = await fetch(`${fleet.url}/api/chat`, {
        method: "POST",
        headers: { authorization: `Bearer ${fleet.token}` },
        body: JSON.stringify({ model: QUICK.model, messages: [{ role: "user", content: "hi" }], stream: false }),
      });
      await response.body?.cancel();
      return response.headers.get("hive-host") === id;
    },
    20_000,
  );
}

function generating(...ids: readonly string[]): number {
  return ids.reduce((sum, id) => sum + named(id).ollama.gauges().activeGenerations, 0);
}

it.each([["a", { kind: "reset" }] as const, ["b", { kind: "die", atToken: 0 }] as const])(
  "fails no client when the Ollama of host %s dies before its first byte",
  async (id, fault) => {
    const { ollama } = named(id);
    await ollama.setFault(fault);
    const before = ollama.requests.length;
    expect(await throughHive()).toEqual(quick);
    expect(ollama.requests.length).toBeGreaterThan(before);
    await ollama.clearFaults();
  },
);

/** What the caller of each library learns of a stream that broke. */
async function toldOfBreak(client: RealClient): Promise<string> {
  if (client.dropsErrorRecords !== true) return await refusalOf(client.streamed(hive, SLOW));
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const { stop, outputTokens } = await client.streamed(hive, SLOW);
  return stop === "other" && outputTokens === undefined ? "incomplete: no proper end" : `ended with ${String(stop)}`;
}

it("raises an error in every client when every Ollama dies in the middle of its stream, and serves it again once they live", async () => {
  for (const { ollama } of fleet.hosts) await ollama.setFault({ kind: "die", atToken: 5 });
  for (const reason of await all(toldOfBreak)) expect(reason).toMatch(/incomplete/);
  for (const { ollama } of fleet.hosts) await ollama.clearFaults();
  expect(await throughHive()).toEqual(quick);
});

it("fails no request of any client when a host is killed between requests", async () => {
  await untilTrusted("a");
  await kill("a");
  expect(await throughHive()).toEqual(quick);
});

it("fails no whole answer of any client when a host is killed in the middle of it", async () => {
  await untilTrusted("b");
  const expected = await straight("whole", SLOW);
  const asking = all(async (client) => await client.whole(hive, SLOW));
  await eventually(
    "all are being answered, some by the host that dies",
    () => generating("b", "c", "d") === COUNT && generating("b") > 0,
  );
  await kill("b");
  expect(await asking).toEqual(expected);
});

it("raises an error in every client when all hosts are killed in the middle of its stream", async () => {
  const reading = all(toldOfBreak);
  await eventually("all are being answered", () => generating("c", "d") === COUNT);
  // A few tokens reach every client first: 67 ms each.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await kill("c", "d");
  for (const reason of await reading) expect(reason).toMatch(/incomplete/);
});

it("tells every client in its own API's shape when no host can answer", async () => {
  for (const how of ["whole", "streamed"] as const)
    for (const reason of await all(async (client) => await refusalOf(client[how](hive, QUICK))))
      expect(reason).toMatch(/hive: /);
});
