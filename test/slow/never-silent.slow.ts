// The true lengths, eleven minutes of them: a path that cuts after 100 s of silence, a load of 180 s, ten minutes of thinking.
import { Ollama } from "ollama";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { ask, coldModel, expectAllShapes, expectTrueFailure, startSilentFleet } from "../support/silent-hosts.ts";
import type { SilentFleet } from "../support/silent-hosts.ts";

const SILENCE_MS = 100_000;
const LOAD_MS = 180_000;
const THINKING_MS = 600_000;
const messages = [{ role: "user", content: "Think for ten minutes." }];
let fleet: SilentFleet;

beforeAll(async () => {
  // The prompt has 13 tokens as the simulated host counts them.
  const thinker = simulatedModel({ name: "thinker", prefillTokensPerSecond: 12_000 / THINKING_MS });
  fleet = await startSilentFleet({}, SILENCE_MS, [coldModel("cold", LOAD_MS), coldModel("broken", LOAD_MS), thinker]);
});
afterAll(async () => await fleet.close());

describe.concurrent("a path that cuts after 100 s of silence", () => {
  it("does not cut a cold load of 180 s, in any shape", async () => {
    await expectAllShapes(fleet, "cold", LOAD_MS);
  });

  it("brings the true status of a load that fails after 180 s", async () => {
    await expectTrueFailure(fleet, "broken");
  });

  it("does not cut ten minutes of thinking, nor does Node's fetch, which gives up after five", async () => {
    const client = new Ollama({ host: fleet.url, headers: { authorization: `Bearer ${fleet.token}` } });
    const startedAt = performance.now();
    const streamed = async (): Promise<string> => {
      let text = "";
      for await (const part of await client.chat({ model: "thinker", messages, stream: true }))
        text += part.message.content;
      return text;
    };
    const [whole, pieces, openai] = await Promise.all([
      client.chat({ model: "thinker", messages, stream: false }),
      streamed(),
      ask(fleet, "/v1/chat/completions", { model: "thinker", messages, stream: true }).then(
        async (r) => await r.text(),
      ),
    ]);
    expect(performance.now() - startedAt).toBeGreaterThan(THINKING_MS);
    expect(whole.message.content.length).toBeGreaterThan(20);
    expect(pieces).toBe(whole.message.content);
    expect(openai).toMatch(/data: \[DONE\]\n\n$/);
    expect(fleet.proxies.map((proxy) => proxy.cuts())).toEqual([0, 0, 0]);
  });
});
