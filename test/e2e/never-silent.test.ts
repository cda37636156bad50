// A path that cuts what is silent never cuts: cold loads, hesitant models and failures arrive in every shape, with true statuses.
import { afterEach, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { ask, coldModel, expectAllShapes, expectTrueFailure, startSilentFleet } from "../support/silent-hosts.ts";
import type { SilentFleet } from "../support/silent-hosts.ts";

/** Many keep-alives: one that a busy machine sends late must not look like silence. */
const SILENCE_MS = 2_000;
const LOAD_MS = 4_000;
let fleet: SilentFleet;
afterEach(async () => await fleet.close());

it("carries every shape of answer through a cold load longer than the path's patience, and true statuses", async () => {
  const models = [coldModel("cold", LOAD_MS), coldModel("broken", LOAD_MS)];
  fleet = await startSilentFleet({ KEEP_ALIVE: "200ms" }, SILENCE_MS, models);
  await Promise.all([expectAllShapes(fleet, "cold", LOAD_MS), expectTrueFailure(fleet, "broken")]);
  expect(fleet.hosts[0]?.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
});

it("is cut without the keep-alive: the proxy of these tests does what it should", async () => {
  fleet = await startSilentFleet({ KEEP_ALIVE: "20s" }, SILENCE_MS, [coldModel("cold", LOAD_MS)]);
  const answer = await ask(fleet, "/api/chat", { model: "cold", messages: [{ role: "user", content: "hi" }] });
  expect(answer.status).toBe(502);
  expect(fleet.proxies[0]?.cuts()).toBeGreaterThan(0);
});

it("fills the silence between two tokens with what no client sees", async () => {
  const hesitant = simulatedModel({ name: "hesitant", decodeTokensPerSecond: 0.4 });
  fleet = await startSilentFleet({ KEEP_ALIVE: "200ms" }, SILENCE_MS, [hesitant]);
  const body = { model: "hesitant", messages: [{ role: "user", content: "hi" }], options: { num_predict: 2 } };
  const [ndjson, sse] = await Promise.all([
    ask(fleet, "/api/chat", body).then(async (response) => await response.text()),
    ask(fleet, "/v1/chat/completions", { ...body, max_tokens: 2, stream: true }).then(
      async (response) => await response.text(),
    ),
  ]);
  expect(fleet.proxies[0]?.cuts()).toBe(0);
  const records = ndjson.trimEnd().split("\n");
  expect(records.some((record) => record.startsWith("  "))).toBe(true);
  expect((JSON.parse(records.at(-1) ?? "") as { done: boolean }).done).toBe(true);
  expect(records.every((record) => record.trim().startsWith("{"))).toBe(true);
  expect(sse).toMatch(/\n\n:\n\n:\n\n/);
  expect(sse).toMatch(/data: \[DONE\]\n\n$/);
});
