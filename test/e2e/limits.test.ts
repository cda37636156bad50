// The variables of the contract act: TIMEOUT, QUEUE_TIMEOUT, MAX_INSTANCES, the strategies.
import { afterEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "slow", decodeTokensPerSecond: 20 })];
let fleet: TestFleet;
afterEach(async () => await fleet.close());

async function chat(model: string, tokens = 3): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}` },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: "hi" }],
      stream: false,
      options: { num_predict: tokens },
    }),
  });
}

it("tries the next host when one does not accept within TIMEOUT", async () => {
  fleet = await startFleet({ TIMEOUT: "1s", LOAD_BALANCING_STRATEGY: "round_robin" });
  const frozen = await fleet.addHost("a", { models, slots: 2 });
  await fleet.addHost("b", { models, slots: 2 });
  frozen.agent.child.kill("SIGSTOP");
  const answers = [await chat("llama3.2"), await chat("llama3.2"), await chat("llama3.2")];
  expect(answers.map((answer) => [answer.status, answer.headers.get("hive-host")])).toEqual(
    answers.map(() => [200, "b"]),
  );
  expect(answers.some((answer) => answer.headers.get("hive-attempts") === "2")).toBe(true);
});

it("answers 504 with Retry-After when the wait passes QUEUE_TIMEOUT, and 503 when the queue is full", async () => {
  fleet = await startFleet({ QUEUE_TIMEOUT: "1500ms", QUEUE_LIMIT: "1", TIMEOUT: "5s" });
  await fleet.addHost("a", { models, slots: 1 }, 1);
  const running = chat("slow", 120);
  await eventually("the slot is taken", async () => (await fleet.host("a")).activeLeases === 1);
  const waiting = [chat("slow"), chat("slow"), chat("slow")];
  const answers = await Promise.all(waiting);
  expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([503, 503, 504]);
  for (const answer of answers) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect((await running).status).toBe(200);
});

it("refuses one host more than MAX_INSTANCES with a clear error", async () => {
  fleet = await startFleet({ MAX_INSTANCES: "1" });
  await fleet.addHost("a", { models });
  await expect(fleet.addHost("b", { models })).rejects.toThrow(/MAX_INSTANCES \(1\)/);
});

it("sends requests to hosts in turn with round_robin", async () => {
  fleet = await startFleet({ LOAD_BALANCING_STRATEGY: "round_robin" });
  await fleet.addHost("a", { models });
  await fleet.addHost("b", { models });
  const hosts: (string | null)[] = [];
  for (let count = 0; count < 6; count += 1) hosts.push((await chat("llama3.2")).headers.get("hive-host"));
  expect(hosts.filter((host) => host === "a")).toHaveLength(3);
  for (let at = 1; at < hosts.length; at += 1) expect(hosts[at]).not.toBe(hosts[at - 1]);
});
