// Hosts that refuse, hang or die cost the client nothing while another has the model; counts survive a lost memory.
import { afterEach, beforeEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "slow", decodeTokensPerSecond: 20 })];
let fleet: TestFleet;

beforeEach(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models, slots: 2 });
  await fleet.addHost("b", { models, slots: 2 });
});
afterEach(async () => await fleet.close());

async function chat(model = "llama3.2", extra: object = {}): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], stream: false, ...extra }),
  });
}

it("fails no request when an agent is killed between requests", async () => {
  expect((await chat()).status).toBe(200);
  await fleet.hosts[0]?.agent.stop("SIGKILL");
  const answers = await Promise.all(Array.from({ length: 12 }, async () => await chat()));
  expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 12 }, () => 200));
  expect(new Set(answers.map((answer) => answer.headers.get("hive-host")))).toEqual(new Set(["b"]));
});

it("hides an Ollama that resets its connections", async () => {
  await fleet.hosts[0]?.ollama.setFault({ kind: "reset" });
  const answers = await Promise.all(Array.from({ length: 6 }, async () => await chat()));
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
});

it("ends a stream whose host dies with an error record and never with silence", async () => {
  for (const host of fleet.hosts) await host.ollama.setFault({ kind: "die", atToken: 5 });
  const lines = (await (await chat("slow", { stream: true })).text()).trimEnd().split("\n");
  const last = JSON.parse(lines.at(-1) ?? "") as { error?: string };
  expect(last.error).toMatch(/incomplete/);
  expect(lines.slice(0, -1).every((line) => !(JSON.parse(line) as { done: boolean }).done)).toBe(true);
});

it("keeps requests beyond the slots waiting in order instead of refusing them", async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, async () => await chat("slow", { options: { num_predict: 5 } })),
  );
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
  for (const host of fleet.hosts) expect(host.ollama.gauges().peakActive).toBeLessThanOrEqual(2);
});

it("finds every slot free again once all are served", async () => {
  await Promise.all(Array.from({ length: 6 }, async () => await chat()));
  await eventually("no lease is left", async () => (await fleet.readFleet()).activeLeases === 0);
});
