// An idle cell loses its memory after 10 s while streams still run: the hosts' heartbeats bring the counts back.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;

beforeAll(async () => {
  // Twice the 10 s after which workerd drops an idle object, so that the object is dropped between two heartbeats.
  fleet = await startFleet({ HEARTBEAT_INTERVAL: "20s" });
  await fleet.addHost("a", { models: [simulatedModel({ name: "slow", decodeTokensPerSecond: 10 })], slots: 1 }, 1);
});
afterAll(async () => await fleet.close());

it("still counts a running stream after the cell lost its memory, and never leases its slot twice", async () => {
  const headers = { authorization: `Bearer ${fleet.token}` };
  const body = JSON.stringify({
    model: "slow",
    messages: [{ role: "user", content: "hi" }],
    options: { num_predict: 350 },
  });
  const leaving = new AbortController();
  const running = await fetch(`${fleet.url}/api/chat`, { method: "POST", headers, body, signal: leaving.signal });
  const reader = running.body?.getReader();
  await reader?.read();
  const startedAt = (await fleet.host("a")).runId;
  expect((await fleet.host("a")).status).toBe("alive");
  // Nothing touches the cell for 12 s; the next heartbeat comes after 18 s at the earliest.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  expect((await fleet.host("a")).status).toBe("unheard");
  await eventually("the stream is counted again", async () => (await fleet.host("a")).activeLeases === 1, 20_000);
  expect((await fleet.host("a")).runId).toBe(startedAt);
  expect(fleet.hosts[0]?.ollama.gauges().activeGenerations).toBe(1);
  const second = fetch(`${fleet.url}/api/chat`, { method: "POST", headers, body: body.replace("350", "3") });
  await eventually("the second request waits", async () => (await fleet.readFleet()).queued === 1);
  expect(fleet.hosts[0]?.ollama.gauges().peakActive).toBe(1);
  leaving.abort();
  expect((await second).status).toBe(200);
  expect(fleet.hosts[0]?.ollama.gauges().peakActive).toBe(1);
}, 180_000);
