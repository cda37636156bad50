// Slots, loads, evictions and keep-alive of the simulated host, and what a leaving client does to them.
import { describe, expect, it, vi } from "vitest";
import type { SimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { HANG, post, postJson, postLines, says, startHost } from "./support.ts";

const FOREVER = { decodeTokensPerSecond: 0.001 };

function chat(model: string, more: object = {}): object {
  return { model, messages: says("hi"), options: { num_predict: 4 }, ...more };
}

async function loaded(host: SimulatedOllama): Promise<string[]> {
  const { models } = (await postPs(host)) as { models: { name: string }[] };
  return models.map(({ name }) => name);
}

async function postPs(host: SimulatedOllama): Promise<unknown> {
  return (await fetch(`${host.url}/api/ps`)).json();
}

async function untilGauge(host: SimulatedOllama, expected: object): Promise<void> {
  await vi.waitFor(() => expect(host.gauges()).toMatchObject(expected), HANG);
}

describe("slots", () => {
  it("let so many requests through at once and keep the others waiting without a byte", async () => {
    await using host = await startHost({ slots: 2 }, FOREVER);
    const leave = new AbortController();
    const requests = Array.from({ length: 5 }, () => post(host, "/api/chat", chat("tiny"), leave.signal));
    const left = Promise.allSettled(requests);
    await untilGauge(host, { activeGenerations: 2, waiting: 3 });
    leave.abort();
    const outcomes = await left;
    expect(outcomes.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => "rejected"));
    await untilGauge(host, { activeGenerations: 0, waiting: 0, peakActive: 2, aborted: 5 });
  });

  it("serve those who wait in the order they came", async () => {
    await using host = await startHost({ slots: 1 }, { decodeTokensPerSecond: 2000 });
    const finished: number[] = [];
    const requests: Promise<void>[] = [];
    for (let number = 0; number < 4; number++) {
      requests.push(
        postLines(host, "/api/chat", chat("tiny", { seed: number })).then(() => void finished.push(number)),
      );
      await vi.waitFor(() => expect(host.requests).toHaveLength(number + 1), HANG);
    }
    await Promise.all(requests);
    expect(finished).toEqual([0, 1, 2, 3]);
  });

  it("are free at once when a client leaves in the middle of a stream", async () => {
    await using host = await startHost({}, FOREVER);
    await host.setFault({ kind: "slow", tokensPerSecond: 1000, times: 1 });
    const leave = new AbortController();
    const body = chat("tiny", { options: { num_predict: 1_000_000 } });
    const response = await post(host, "/api/chat", body, leave.signal);
    await response.body?.getReader().read();
    expect(host.gauges().activeGenerations).toBe(1);
    leave.abort();
    await untilGauge(host, { activeGenerations: 0, aborted: 1 });
    expect(host.requests[0]).toMatchObject({ closedByClient: true, finished: false });
  });

  it("are free at once when a client leaves that waits for a whole answer", async () => {
    await using host = await startHost({}, FOREVER);
    const leave = new AbortController();
    const request = post(host, "/api/chat", chat("tiny", { stream: false }), leave.signal);
    await untilGauge(host, { activeGenerations: 1 });
    leave.abort();
    await expect(request).rejects.toThrow();
    await untilGauge(host, { activeGenerations: 0, aborted: 1 });
  });
});

describe("a load", () => {
  it("happens once for all who want the model, and shows in ps afterwards", async () => {
    await using host = await startHost({ slots: 4 }, { loadMs: 20 });
    await Promise.all(Array.from({ length: 4 }, () => postLines(host, "/api/chat", chat("tiny"))));
    expect(host.gauges()).toMatchObject({ loads: 1, unloads: 0 });
    expect(await loaded(host)).toEqual(["tiny:latest"]);
  });

  it("is cut short when the client it is for leaves, and the next in line starts it anew", async () => {
    await using host = await startHost({}, { loadMs: 1_500 });
    const leave = new AbortController();
    const first = post(host, "/api/chat", chat("tiny"), leave.signal);
    await untilGauge(host, { loads: 1 });
    const second = postLines(host, "/api/chat", chat("tiny"));
    await untilGauge(host, { waiting: 2 });
    leave.abort();
    await expect(first).rejects.toThrow();
    expect((await second).at(-1)).toMatchObject({ done: true });
    expect(host.gauges()).toMatchObject({ loads: 2, abortedLoads: 1 });
  });

  it("waits for the one before it: loads are serial", async () => {
    const models = ["a", "b", "c"].map((name) => simulatedModel({ name, loadMs: 150 }));
    await using host = await startHost({ models });
    const order: string[] = [];
    const requests = models.map(async ({ name }) => {
      const [last] = (await postLines(host, "/api/chat", chat(name))).slice(-1);
      order.push(name);
      return Number(last?.["load_duration"]) / 1e6;
    });
    const [first = 0, second = 0, third = 0] = await Promise.all(requests);
    expect(order).toEqual(["a", "b", "c"]);
    expect(second).toBeGreaterThan(first);
    expect(third).toBeGreaterThan(second);
  });

  it("answers 503 when more wait than Ollama's queue holds, in every API's shape", async () => {
    const models = [simulatedModel({ name: "slow", loadMs: 1_000_000 }), simulatedModel({ name: "tiny", loadMs: 1 })];
    await using host = await startHost({ models, maxQueue: 1 });
    const leave = new AbortController();
    const held = [post(host, "/api/chat", chat("slow"), leave.signal)];
    await untilGauge(host, { loads: 1 });
    held.push(post(host, "/api/chat", chat("slow"), leave.signal));
    await untilGauge(host, { waiting: 2 });
    const busy = "server busy, please try again.  maximum pending requests exceeded";
    const native = await post(host, "/api/chat", chat("tiny"));
    expect([native.status, await native.json()]).toEqual([503, { error: busy }]);
    const openai = await post(host, "/v1/chat/completions", chat("tiny"));
    expect(await openai.json()).toEqual({ error: { message: busy, type: "api_error", param: null, code: null } });
    const anthropic = await post(host, "/v1/messages", { ...chat("tiny"), max_tokens: 5 });
    expect(await anthropic.json()).toMatchObject({ error: { type: "overloaded_error", message: busy } });
    leave.abort();
    await Promise.allSettled(held);
  });
});

describe("runner options", () => {
  it("reload the model when they differ, and not when they are left out", async () => {
    await using host = await startHost();
    for (const options of [{ num_ctx: 8192 }, {}, { num_ctx: 8192 }, { num_gpu: -1 }, { temperature: 1 }]) {
      await postLines(host, "/api/chat", chat("tiny", { options: { num_predict: 1, ...options } }));
    }
    expect(host.gauges().loads).toBe(1);
    expect(await postPs(host)).toMatchObject({ models: [{ context_length: 8192 }] });
    for (const options of [{ num_ctx: 4096 }, { num_gpu: 7 }, { num_thread: 2 }]) {
      await postLines(host, "/api/chat", chat("tiny", { options: { num_predict: 1, ...options } }));
    }
    expect(host.gauges()).toMatchObject({ loads: 4, unloads: 3 });
  });

  it("wait with the reload until nobody uses the model", async () => {
    await using host = await startHost({ slots: 2 }, { decodeTokensPerSecond: 200 });
    const first = postLines(host, "/api/chat", chat("tiny"));
    await untilGauge(host, { activeGenerations: 1 });
    const second = postLines(host, "/api/chat", chat("tiny", { options: { num_ctx: 9000, num_predict: 1 } }));
    expect((await first).at(-1)).toMatchObject({ done: true, eval_count: 4 });
    expect((await second).at(-1)).toMatchObject({ done: true });
    expect(host.gauges()).toMatchObject({ loads: 2, peakActive: 1 });
  });
});

describe("memory", () => {
  it("gives way to a new model by unloading an idle one, the shortest-lived first", async () => {
    const models = ["a", "b", "c"].map((name) => simulatedModel({ name }));
    await using host = await startHost({ models, maxLoadedModels: 2 });
    await postLines(host, "/api/chat", chat("a", { keep_alive: "1h" }));
    await postLines(host, "/api/chat", chat("b", { keep_alive: "1m" }));
    await postLines(host, "/api/chat", chat("c"));
    expect((await loaded(host)).toSorted()).toEqual(["a:latest", "c:latest"]);
  });

  it("lets a new model wait while all loaded ones are in use", async () => {
    const models = [simulatedModel({ name: "a", ...FOREVER }), simulatedModel({ name: "b" })];
    await using host = await startHost({ models, maxLoadedModels: 1 });
    const leave = new AbortController();
    const busy = post(host, "/api/chat", chat("a"), leave.signal);
    await untilGauge(host, { activeGenerations: 1 });
    const waiting = postLines(host, "/api/chat", chat("b"));
    await untilGauge(host, { waiting: 1, loads: 1 });
    leave.abort();
    await expect(busy).rejects.toThrow();
    expect((await waiting).at(-1)).toMatchObject({ done: true });
    expect(await loaded(host)).toEqual(["b:latest"]);
  });

  it("forgets a model when its keep-alive is over", async () => {
    await using host = await startHost();
    await postLines(host, "/api/chat", chat("tiny", { keep_alive: "10ms" }));
    await untilGauge(host, { unloads: 1 });
    expect(await loaded(host)).toEqual([]);
  });

  it("keeps a model for ever with a negative keep-alive, and drops it at once with zero", async () => {
    await using host = await startHost();
    await postLines(host, "/api/chat", chat("tiny", { keep_alive: -1 }));
    const { models } = (await postPs(host)) as { models: { expires_at: string }[] };
    expect(new Date(models[0]?.expires_at ?? 0).getFullYear()).toBeGreaterThan(2200);
    await postLines(host, "/api/chat", chat("tiny", { keep_alive: 0 }));
    expect(await loaded(host)).toEqual([]);
  });

  it("is freed by an empty request with keep_alive 0, and filled by one without", async () => {
    await using host = await startHost();
    expect(await postJson(host, "/api/generate", { model: "tiny" })).toMatchObject({ done: true, done_reason: "load" });
    expect(await loaded(host)).toEqual(["tiny:latest"]);
    const unload = { model: "tiny", messages: [], keep_alive: 0 };
    expect(await postJson(host, "/api/chat", unload)).toMatchObject({ done: true, done_reason: "unload" });
    expect(await loaded(host)).toEqual([]);
  });
});

describe("a known prompt", () => {
  it("costs no time to read again, but all its tokens are counted", async () => {
    // A second cold, one token's time warm: far enough apart for a busy machine.
    await using host = await startHost({}, { prefillTokensPerSecond: 250 });
    const messages = says("a long story about bees ".repeat(40));
    const [cold] = (await postLines(host, "/api/chat", { model: "tiny", messages })).slice(-1);
    const [warm] = (await postLines(host, "/api/chat", { model: "tiny", messages })).slice(-1);
    const coldMs = Number(cold?.["prompt_eval_duration"]) / 1e6;
    expect(coldMs).toBeGreaterThanOrEqual(4 * (Number(cold?.["prompt_eval_count"]) - 2));
    expect(Number(warm?.["prompt_eval_duration"]) / 1e6).toBeLessThan(coldMs / 2);
    expect(warm?.["prompt_eval_count"]).toBe(cold?.["prompt_eval_count"]);
  });
});
