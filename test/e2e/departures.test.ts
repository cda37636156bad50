// A client that leaves frees its slot at cell, agent and Ollama within 2 s, also where plain workerd notices nothing by itself.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [
  simulatedModel({ name: "slow", decodeTokensPerSecond: 20 }),
  simulatedModel({ name: "loading", loadMs: 600_000 }),
  simulatedModel({ name: "thinking", prefillTokensPerSecond: 0.01 }),
];
const embedder = simulatedModel({ name: "embedder", capabilities: ["embedding"], prefillTokensPerSecond: 1_000 });
let fleet: TestFleet;

beforeAll(async () => {
  // So that Ollama is free again too: by default a load goes on without those who wanted it, and what was asked for is loaded
  // ahead of the next who asks.
  fleet = await startFleet({ ABANDON_LOADS: "0s", MODEL_RULES: JSON.stringify({ "*": { hosts: [] } }) });
  await fleet.addHost("a", { models, slots: 1 }, 1);
  for (const id of ["b", "c"]) await fleet.addHost(id, { models: [embedder], slots: 1 }, 1);
});
afterAll(async () => await fleet.close());

function start(model: string, stream: boolean): { leave: () => void; ended: Promise<unknown> } {
  const leaving = new AbortController();
  const body = JSON.stringify({
    model,
    stream,
    messages: [{ role: "user", content: "hi" }],
    options: { num_predict: 500 },
  });
  const headers = { authorization: `Bearer ${fleet.token}` };
  const ended = fetch(`${fleet.url}/api/chat`, { method: "POST", headers, body, signal: leaving.signal }).catch(
    () => undefined,
  );
  return { leave: () => leaving.abort(), ended };
}

async function busy(): Promise<boolean> {
  const { activeGenerations, waiting } = fleet.hosts[0]?.ollama.gauges() ?? { activeGenerations: 0, waiting: 0 };
  return activeGenerations + waiting > 0 && (await fleet.readFleet()).activeLeases === 1;
}

async function free(): Promise<boolean> {
  const { activeGenerations, waiting } = fleet.hosts[0]?.ollama.gauges() ?? { activeGenerations: 1, waiting: 1 };
  const view = await fleet.readFleet();
  return activeGenerations + waiting === 0 && view.activeLeases === 0 && view.queued === 0;
}

for (const [phase, model, stream] of [
  ["while the model loads, streamed", "loading", true],
  ["while the model loads, not streamed", "loading", false],
  ["before the first token", "thinking", true],
  ["in the middle of an answer that is not streamed", "slow", false],
] as const) {
  it(`frees the slot when the client leaves ${phase}`, async () => {
    const request = start(model, stream);
    await eventually("the host works on it", busy);
    request.leave();
    await request.ended;
    await eventually("every slot is free", free, 2_000);
  });
}

it("takes a request whose client left out of the queue", async () => {
  const running = start("slow", false);
  await eventually("the slot is taken", busy);
  const queued = start("slow", false);
  await eventually("a request waits", async () => (await fleet.readFleet()).queued === 1);
  queued.leave();
  await eventually("nobody waits", async () => (await fleet.readFleet()).queued === 0, 2_000);
  running.leave();
  await eventually("every slot is free", free, 2_000);
});

it("takes a request whose client resets its connection out of the queue", async () => {
  const running = start("slow", false);
  await eventually("the slot is taken", busy);
  const body = JSON.stringify({ model: "slow", messages: [{ role: "user", content: "hi" }] });
  const client = connect(Number(new URL(fleet.url).port), "127.0.0.1");
  client.write(`POST /api/chat HTTP/1.1\r\nhost: hive\r\nauthorization: Bearer ${fleet.token}\r\n`);
  client.write(`content-length: ${body.length}\r\n\r\n${body}`);
  await eventually("a request waits", async () => (await fleet.readFleet()).queued === 1);
  client.resetAndDestroy();
  await eventually("nobody waits", async () => (await fleet.readFleet()).queued === 0, 2_000);
  running.leave();
  await eventually("every slot is free", free, 2_000);
});

it("ends the parts of a batch that still run when its client leaves, and blames no host", async () => {
  const asked = () =>
    ["b", "c"].flatMap((id) => {
      const requests = fleet.hosts.find((host) => host.id === id)?.ollama.requests ?? [];
      return requests.filter(({ url, bodyBytes }) => url === "/api/embed" && bodyBytes > 200);
    });
  // Two parts: the first is done in a moment, the second takes a minute.
  const input = Array.from({ length: 64 }, (_, at) => (at < 32 ? "word" : "word ".repeat(2_000)));
  const leaving = new AbortController();
  const batch = fetch(`${fleet.url}/api/embed`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify({ model: "embedder", input }),
    signal: leaving.signal,
  }).catch(() => undefined);
  await eventually("one part is done, the other not", async () => {
    const done = asked().filter(({ finished }) => finished);
    return asked().length === 2 && done.length === 1 && (await fleet.readFleet()).activeLeases === 1;
  });
  leaving.abort();
  await batch;
  await eventually("every slot is free", async () => (await fleet.readFleet()).activeLeases === 0, 2_000);
  await eventually(
    "Ollama is rid of it",
    () => asked().every(({ finished, closedByClient }) => finished || closedByClient),
    2_000,
  );
  for (const id of ["b", "c"]) expect(await fleet.host(id)).toMatchObject({ status: "alive" });
  expect(asked()).toHaveLength(2);
});
