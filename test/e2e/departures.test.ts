// A client that leaves frees its slot at cell, agent and Ollama within 2 s, also where plain workerd notices nothing by itself.
import { afterAll, beforeAll, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [
  simulatedModel({ name: "slow", decodeTokensPerSecond: 20 }),
  simulatedModel({ name: "loading", loadMs: 600_000 }),
  simulatedModel({ name: "thinking", prefillTokensPerSecond: 0.01 }),
];
let fleet: TestFleet;

beforeAll(async () => {
  // So that Ollama is free again too: by default a load goes on without those who wanted it.
  fleet = await startFleet({ ABANDON_LOADS: "0s" });
  await fleet.addHost("a", { models, slots: 1 }, 1);
}, 60_000);
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
