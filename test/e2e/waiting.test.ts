// Requests that wait: for a load they share, for a slot, for an Ollama that stalls; each with its time, and told the truth.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { SimulatedOllama } from "../../src/sim/ollama/server.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

/** So long that five come and four go before its end, also on a busy machine. */
const LOAD_MS = 8_000;
const models = [
  simulatedModel({ name: "cold", loadMs: LOAD_MS }),
  simulatedModel({ name: "slow", decodeTokensPerSecond: 20 }),
];
let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet({ STALL_LIMIT: "2s", QUEUE_TIMEOUT: "6s", REQUEST_LIMIT: "20s" });
  await fleet.addHost("a", { models, slots: 8 }, 8);
  await fleet.addHost("b", { models: [simulatedModel({ name: "single", decodeTokensPerSecond: 20 })] }, 1);
  // A host of its own: Ollama loads one model at a time.
  await fleet.addHost("c", { models: [simulatedModel({ name: "endless", loadMs: 600_000 })], slots: 8 }, 8);
});
afterEach(async () => await Promise.all(fleet.hosts.map(async (host) => await host.ollama.clearFaults())));
afterAll(async () => await fleet.close());

interface Asking {
  readonly path?: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

async function ask(model: string, { path = "/api/chat", body, headers, signal }: Asking = {}): Promise<Response> {
  const messages = [{ role: "user", content: "hi" }];
  return await fetch(`${fleet.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}`, ...headers },
    body: JSON.stringify({ model, messages, ...body }),
    signal: signal ?? null,
  });
}

function ollama(at: number): SimulatedOllama {
  const host = fleet.hosts[at];
  if (host === undefined) throw new Error(`no host ${at}`);
  return host.ollama;
}

const idle = async (id: string) => (await fleet.host(id)).activeLeases === 0;

describe("a cold load", () => {
  it("shared by five clients goes on when four of them leave, and the fifth is served", async () => {
    const leaving = new AbortController();
    const left = [1, 2, 3, 4].map(async () => await ask("cold", { signal: leaving.signal }).catch(() => undefined));
    const stays = ask("cold", { body: { stream: false } });
    await eventually("five wait for one load", async () => (await fleet.host("a")).loading[0]?.waiting === 5, LOAD_MS);
    leaving.abort();
    await Promise.all(left);
    await eventually("one waits", async () => (await fleet.host("a")).loading[0]?.waiting === 1, LOAD_MS);
    const answer = await stays;
    expect(answer.status).toBe(200);
    expect(answer.headers.get("hive-status")).toMatch(/^loaded in \d+\.\d s$/);
    expect(ollama(0).gauges()).toMatchObject({ loads: 1, abortedLoads: 0 });
    expect(ollama(0).requests.filter(({ url }) => url === "/api/chat")).toHaveLength(1);
    await eventually("no lease is left", async () => await idle("a"));
  });
});

describe("hive-deadline-ms", () => {
  it("ends the wait with 504 in the shape of the API, and is no fault of the host", async () => {
    const headers = { "hive-deadline-ms": "300" };
    const [native, openai, anthropic] = await Promise.all([
      ask("endless", { headers }),
      ask("endless", { headers, path: "/v1/chat/completions" }),
      ask("endless", { headers, path: "/v1/messages", body: { max_tokens: 5 } }),
    ]);
    for (const answer of [native, openai, anthropic]) {
      expect(answer.status).toBe(504);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
    expect(await native.json()).toMatchObject({ error: expect.stringContaining("time is up") });
    expect(await openai.json()).toMatchObject({ error: { message: expect.stringContaining("time is up") } });
    expect(await anthropic.json()).toMatchObject({ type: "error" });
    expect(await fleet.host("c")).toMatchObject({ status: "alive" });
  });

  it("in the middle of a stream ends it with an error record that says so", async () => {
    const answer = await ask("slow", {
      headers: { "hive-deadline-ms": "3000" },
      body: { options: { num_predict: 500 } },
    });
    expect(answer.status).toBe(200);
    const last = (await answer.text()).trimEnd().split("\n").at(-1) ?? "";
    expect((JSON.parse(last) as { error: string }).error).toMatch(/time is up/);
    expect(await fleet.host("a")).toMatchObject({ status: "alive" });
    await eventually("Ollama is rid of it", () => ollama(0).gauges().activeGenerations === 0, 2_000);
  });

  it("ends a stream whose agent hangs, with an error record that says so", async () => {
    const host = fleet.hosts[0];
    const answer = await ask("slow", {
      headers: { "hive-deadline-ms": "3000" },
      body: { options: { num_predict: 500 } },
    });
    expect(answer.status).toBe(200);
    host?.agent.child.kill("SIGSTOP");
    const text = await answer.text().finally(() => host?.agent.child.kill("SIGCONT"));
    const last = text.trimEnd().split("\n").at(-1) ?? "";
    expect((JSON.parse(last) as { error: string }).error).toMatch(/time is up/);
    await eventually("no lease is left", async () => await idle("a"));
    await eventually("the host is back", async () => (await fleet.host("a")).status === "alive");
  });

  it("that is no number is refused in one line", async () => {
    const answer = await ask("slow", { headers: { "hive-deadline-ms": "soon" } });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ error: expect.stringContaining("hive-deadline-ms must be a whole number") });
  });
});

describe("a wait for a slot", () => {
  it("that is too long is refused with place, expected wait and Retry-After, and has never reached a host", async () => {
    const leaving = new AbortController();
    const occupant = ask("single", { body: { stream: false, options: { num_predict: 500 } }, signal: leaving.signal });
    await eventually("the slot is taken", async () => (await fleet.host("b")).activeLeases === 1);
    const waiting = [ask("single"), ask("single", { headers: { "hive-deadline-ms": "4000" } })];
    await eventually("both stand in the fleet view", async () => {
      const places = (await fleet.readFleet()).queue.map(({ position }) => position);
      return JSON.stringify(places) === "[1,2]";
    });
    const [late, expired] = await Promise.all(waiting);
    expect([late?.status, expired?.status]).toEqual([504, 504]);
    for (const answer of [late, expired]) {
      expect(Number(answer?.headers.get("hive-queue-position"))).toBeGreaterThanOrEqual(1);
      expect(Number(answer?.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(JSON.stringify(await answer?.json())).toMatch(/position [12] in the queue/);
    }
    expect(ollama(1).requests.filter(({ url }) => url === "/api/chat")).toHaveLength(1);
    leaving.abort();
    await occupant.catch(() => undefined);
    await eventually("the slot is free", async () => await idle("b"), 2_000);
  });
});

describe("an Ollama that stalls in the middle of a stream", () => {
  it("counts as a failed host, and its client gets an error record", async () => {
    await ollama(1).setFault({ kind: "hang", afterTokens: 3, times: 1 });
    const answer = await ask("single", { body: { options: { num_predict: 50 } } });
    const lines = (await answer.text()).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(2);
    expect((JSON.parse(lines.at(-1) ?? "") as { error: string }).error).toMatch(/incomplete/);
    await eventually("the host is suspect", async () => (await fleet.host("b")).status === "suspect", 2_000);
    await eventually("Ollama is rid of it", () => ollama(1).gauges().activeGenerations === 0, 2_000);
  });
});
