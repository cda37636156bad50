// Loads belong to the agent: shared by all who wait, ended by none who leaves, seen by everybody.
import { describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { CHAT, startHost, takeApart, until } from "./fixture.ts";
import type { HostOptions, Leg, LegRequest, TestHost } from "./fixture.ts";

const TINY = "registry.ollama.ai/library/tiny:latest";
const asks = (host: TestHost, url: string) => host.ollama.requests.filter((request) => request.url === url);

/** A request as the edge sends it: the token names the model. */
async function send(host: TestHost, leg: LegRequest = {}): Promise<Leg> {
  return await host.send({ ...leg, claims: { model: TINY, ...leg.claims } });
}

async function readAll(legs: readonly Leg[]) {
  return await Promise.all(legs.map(async (leg) => takeApart((await leg.read()).text)));
}

function slowLoad(loadMs: number, limits: HostOptions["agent"] = {}): HostOptions {
  return { model: { loadMs }, agent: { slots: 16, ...limits }, ollamaSlots: 16 };
}

describe("a load", () => {
  it("is shared by five who wait, and four of them leaving do not end it", async () => {
    await using host = await startHost(slowLoad(600));
    const legs = await Promise.all([1, 2, 3, 4, 5].map(async () => await send(host)));
    await until("the load has begun", () => host.ollama.gauges().loads === 1);
    const beat = await host.edge.beat(({ loading }) => loading?.[0]?.waiting === 5, 0);
    expect(beat.loading).toMatchObject([{ model: TINY, runner: "", waiting: 5 }]);
    for (const leg of legs.slice(1)) leg.request.destroy();
    const [answer] = await readAll(legs.slice(0, 1));
    expect(answer?.head.status).toBe(200);
    expect(answer?.body).toContain('"done":true');
    expect(host.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
    expect(asks(host, "/api/chat")).toHaveLength(1);
  });

  it("goes on when nobody waits for it any more, and the next request finds it done", async () => {
    await using host = await startHost(slowLoad(400));
    const leg = await send(host);
    await until("the load has begun", () => host.ollama.gauges().loads === 1);
    leg.request.destroy();
    const free = await host.edge.beat(({ loading, active }) => active.length === 0 && loading?.[0]?.waiting === 0);
    expect(free.finished).toMatchObject([{ outcome: "cancelled" }]);
    await host.edge.beat(({ running }) => running.length === 1);
    const [answer] = await readAll([await send(host)]);
    expect(answer?.head).toEqual({ status: 200, headers: expect.any(Object) });
    expect(host.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
  });

  it("is given up when nobody has waited for it for as long as the limit says", async () => {
    await using host = await startHost(slowLoad(60_000, { limits: { abandonLoadsAfterMs: 1_500 } }));
    const leg = await send(host);
    await until("the load has begun", () => host.ollama.gauges().loads === 1);
    leg.request.destroy();
    await host.edge.beat(({ loading }) => loading?.[0]?.waiting === 0);
    // Somebody comes in time.
    const second = await send(host);
    await host.edge.beat(({ loading }) => loading?.[0]?.waiting === 1);
    expect(host.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
    second.request.destroy();
    await until("the load was given up", () => host.ollama.gauges().abortedLoads === 1);
    expect(host.logged).toContainEqual(expect.objectContaining({ event: "load-abandoned", model: TINY }));
  });

  it("that fails answers all who wait with Ollama's own status and text", async () => {
    await using host = await startHost(slowLoad(300));
    const message = "model requires more system memory (70.0 GiB) than is available (8.0 GiB)";
    await host.ollama.setFault({ kind: "load_failure", message, times: 1 });
    const legs = await Promise.all([1, 2, 3].map(async () => await send(host)));
    for (const { head } of await readAll(legs)) expect(head).toEqual({ status: 500, headers: {}, error: message });
    expect(host.ollama.gauges().loads).toBe(1);
    const [answer] = await readAll([await send(host)]);
    expect(answer?.head.status).toBe(200);
  });

  it("that fails is no failure for those who wait for the same model with other options", async () => {
    await using host = await startHost(slowLoad(300));
    await host.ollama.setFault({ kind: "load_failure", times: 1 });
    const first = await send(host);
    await until("the load that fails has begun", () => asks(host, "/api/generate").length === 1);
    const claims = { runner: "num_ctx=2048" };
    const second = await send(host, { body: { ...CHAT, options: { num_ctx: 2048 } }, claims });
    const [failed, served] = await readAll([first, second]);
    expect([failed?.head.status, served?.head.status]).toEqual([500, 200]);
    expect(served?.body).toContain('"done":true');
  });

  it("that finds Ollama too busy answers with Ollama's 503", async () => {
    await using host = await startHost();
    await host.ollama.setFault({ kind: "busy", times: 1 });
    const [answer] = await readAll([await send(host)]);
    expect(answer?.head).toMatchObject({ status: 503, error: expect.stringContaining("server busy") });
  });

  it("whose Ollama dies is a failure of the host", async () => {
    await using host = await startHost();
    await host.ollama.setFault({ kind: "reset", times: 1 });
    const [answer] = await readAll([await send(host)]);
    expect(answer?.head).toMatchObject({ status: 502, failure: expect.stringContaining("ollama: ") });
  });

  it("of a model for embeddings goes through the endpoint that embeds", async () => {
    await using host = await startHost({ model: { capabilities: ["embedding"], loadMs: 50 } });
    const leg = await send(host, { path: "/v1/embeddings", body: { model: "tiny", input: "one" } });
    const [answer] = await readAll([leg]);
    expect(answer?.head.status).toBe(200);
    expect(asks(host, "/api/embed").map(({ bodyText }) => bodyText)).toEqual(['{"model":"tiny:latest","input":[]}']);
    expect(host.ollama.gauges().loads).toBe(1);
  });

  it("leaves to Ollama what it will refuse: a missing capability, a model it does not have", async () => {
    await using host = await startHost({ model: { capabilities: ["embedding"] } });
    const [refused, unknown] = await readAll([
      await send(host),
      await send(host, {
        body: { ...CHAT, model: "nope" },
        claims: { model: "registry.ollama.ai/library/nope:latest" },
      }),
    ]);
    expect(refused).toMatchObject({ head: { status: 400 }, body: '{"error":"\\"tiny\\" does not support chat"}' });
    expect(unknown).toMatchObject({ head: { status: 404 }, body: '{"error":"model \'nope\' not found"}' });
  });
});

it("holds models for their requests where Ollama unloads them at once", async () => {
  await using host = await startHost({ ...slowLoad(400), ollamaKeepAliveMs: 0 });
  for (let count = 0; count < 2; count += 1) expect((await readAll([await send(host)]))[0]?.head.status).toBe(200);
  expect(asks(host, "/api/generate").map(({ bodyText }) => bodyText)).toEqual([
    '{"model":"tiny:latest"}',
    '{"model":"tiny:latest","keep_alive":"30s"}',
  ]);
  expect(host.ollama.gauges().loads).toBe(2);
});

describe("a request", () => {
  it("waits for no load when its model is in memory with its options", async () => {
    await using host = await startHost();
    const body = { ...CHAT, options: { num_ctx: 2048 } };
    const claims = { runner: "num_ctx=2048" };
    for (let count = 0; count < 3; count += 1) await readAll([await send(host, { body, claims })]);
    expect(asks(host, "/api/generate").map(({ bodyText }) => bodyText)).toEqual([
      '{"model":"tiny:latest","options":{"num_ctx":2048}}',
    ]);
    expect(host.ollama.gauges().loads).toBe(1);
  });

  it("has its model loaded anew by the agent when it was evicted meanwhile", async () => {
    await using host = await startHost({ agent: { slots: 4 } });
    await readAll([await send(host)]);
    const unload = await send(host, { path: "/api/generate", body: { model: "tiny", keep_alive: 0 } });
    expect((await readAll([unload]))[0]?.body).toContain('"done_reason":"unload"');
    await readAll([await send(host)]);
    // Load, the client's unload, load.
    expect(asks(host, "/api/generate").map(({ bodyText }) => bodyText)).toEqual([
      '{"model":"tiny:latest"}',
      '{"model":"tiny","keep_alive":0}',
      '{"model":"tiny:latest"}',
    ]);
    expect(host.ollama.gauges()).toMatchObject({ loads: 2, unloads: 1 });
  });

  it("to unload loads nothing first", async () => {
    await using host = await startHost({ model: { loadMs: 60_000 } });
    for (const [path, body] of [
      ["/api/generate", { model: "tiny", prompt: "", keep_alive: "0s" }],
      ["/api/chat", { model: "tiny", messages: [], keep_alive: 0 }],
    ] as const) {
      const [answer] = await readAll([await send(host, { path, body })]);
      expect(answer?.body).toContain('"done_reason":"unload"');
    }
    expect(host.ollama.gauges().loads).toBe(0);
  });

  it("waits for the load that the cell has ordered", async () => {
    await using host = await startHost(slowLoad(400));
    host.edge.order({ type: "load", model: "tiny" });
    await until("the load has begun", () => host.ollama.gauges().loads === 1);
    const [answer] = await readAll([await send(host)]);
    expect(answer?.head.status).toBe(200);
    expect(asks(host, "/api/generate")).toHaveLength(1);
  });

  it.each([false, true])("waits for the load of a model for embeddings that was ordered, pinned %s", async (pinned) => {
    await using host = await startHost({ ...slowLoad(400), model: { capabilities: ["embedding"], loadMs: 400 } });
    host.edge.order({ type: "load", model: "tiny", pinned });
    await until("the load has begun", () => host.ollama.gauges().loads === 1);
    const leg = await send(host, { path: "/v1/embeddings", body: { model: "tiny", input: "one" } });
    const [answer] = await readAll([leg]);
    expect(answer?.head.status).toBe(200);
    await host.edge.beat(({ tasks }) => tasks?.length === 0);
    expect(asks(host, "/api/embed").map(({ bodyText }) => bodyText)).toEqual([
      '{"model":"tiny:latest","input":[]}',
      ...(pinned ? ['{"model":"tiny","input":[],"keep_alive":-1}'] : []),
    ]);
    expect(host.logged).not.toContainEqual(expect.objectContaining({ event: "order_failed" }));
    expect(host.ollama.gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
  });

  it("is told how far its load is, once the agent knows how long one takes", async () => {
    const limits = { keepAliveMs: 50 };
    await using host = await startHost(slowLoad(1_200, { limits }));
    const [first] = await readAll([await send(host)]);
    expect(first?.statuses[0]).toMatch(/^loading tiny:latest for \d s$/);
    expect(first?.head["hive-status"]).toMatch(/^loaded in \d+\.\d s$/);
    await readAll([await send(host, { path: "/api/generate", body: { model: "tiny", keep_alive: 0 } })]);
    const leg = await send(host);
    const beat = await host.edge.beat(({ loading }) => loading?.[0]?.expectedMs !== undefined);
    expect(beat.loading?.[0]?.expectedMs).toBeGreaterThan(1_000);
    const [second] = await readAll([leg]);
    const percents = second?.statuses.map((status) => Number(/, (\d+) %, about \d s left$/.exec(status)?.[1]));
    expect(percents?.every((percent) => percent >= 0 && percent <= 99)).toBe(true);
    expect(percents).toEqual(percents?.toSorted((a, b) => a - b));
    expect(percents?.at(-1)).toBeGreaterThan(percents?.[0] ?? 100);
  });
});

it("loads different models at the same time as far as Ollama does, each once", async () => {
  const models = ["one", "two"].map((name) => simulatedModel({ name, loadMs: 100 }));
  await using host = await startHost({ models });
  const legs = await Promise.all(
    ["one", "two", "one", "two"].map(async (name) => {
      const claims = { model: `registry.ollama.ai/library/${name}:latest` };
      return await host.send({ body: { ...CHAT, model: name }, claims });
    }),
  );
  for (const { head } of await readAll(legs)) expect(head.status).toBe(200);
  expect(host.ollama.gauges().loads).toBe(2);
});
