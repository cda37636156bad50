// Tenants beside each other: what one may use, how much of it, and that it learns nothing of the others.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import type { RequestView, UsageView } from "../../src/wire/cell-rpc.ts";
import { runHive } from "../cli/run-hive.ts";
import { eventually, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const models = ["llama3.2", "secret-plans", "slow"].map((name) =>
  simulatedModel({ name, decodeTokensPerSecond: name === "slow" ? 20 : 2_000 }),
);
let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models, slots: 4 }, 4);
  const staff = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "payroll" })];
  await fleet.addHost("staff-1", { models: staff, slots: 4 }, 4, { pool: "staff" });
});
afterAll(async () => await fleet.close());

async function get(path: string, token: string): Promise<Response> {
  return await fetch(fleet.url + path, { headers: { authorization: `Bearer ${token}` } });
}

async function chat(token: string, body: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  const whole = { model: "llama3.2", messages: [{ role: "user", content: "hi" }], stream: false, ...body };
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(whole),
  });
}

const namesIn = async (response: Response) =>
  ((await response.json()) as { models: { name: string }[] }).models.map(({ name }) => name).toSorted();

describe("a tenant [T19]", () => {
  it("never sees the name of a model it may not use, and cannot tell whether it exists", async () => {
    const token = await fleet.clientToken({ models: ["llama3.2"] });
    await (await chat(await fleet.clientToken(), { model: "secret-plans" })).text();
    for (const path of ["/api/tags", "/api/ps", "/v1/models"]) {
      expect(await (await get(path, token)).text(), path).not.toContain("secret-plans");
    }
    expect((await get("/v1/models/secret-plans", token)).status).toBe(404);
    const answers = [];
    for (const model of ["secret-plans", "does-not-exist"]) {
      const refused = await chat(token, { model });
      answers.push([refused.status, (await refused.text()).replace(model, "NAME")]);
    }
    expect(answers[0]).toEqual(answers[1]);
  });

  it("with hosts of its own uses no others, and nobody else uses or sees those", async () => {
    const staff = await fleet.clientToken({ sub: "staff", pool: "staff" });
    const visitor = await fleet.clientToken({ sub: "visitor" });
    expect(await namesIn(await get("/api/tags", staff))).toEqual(["llama3.2:latest", "payroll:latest"]);
    expect(await namesIn(await get("/api/tags", visitor))).toEqual([
      "llama3.2:latest",
      "secret-plans:latest",
      "slow:latest",
    ]);
    for (let time = 0; time < 4; time += 1) {
      expect((await chat(staff)).headers.get("hive-host")).toBe("staff-1");
      expect((await chat(visitor)).headers.get("hive-host")).toBe("a");
    }
    expect((await chat(visitor, { model: "payroll" })).status).toBe(404);
    expect((await chat(visitor, {}, { "hive-host": "staff-1" })).status).toBe(403);
  });

  it("reads its own requests and usage, and nothing of another's", async () => {
    const [alice, bob] = [await fleet.clientToken({ sub: "alice" }), await fleet.clientToken({ sub: "bob" })];
    const answer = await chat(alice);
    const counted = (await answer.json()) as { prompt_eval_count: number; eval_count: number };
    const requestId = answer.headers.get("hive-request-id") ?? "";
    const seen = (await (await get(`/hive/v1/requests/${requestId}`, alice)).json()) as RequestView;
    expect(seen).toMatchObject({
      requestId,
      tenant: "alice",
      attempts: [{ hostId: "a", outcome: { type: "served" } }],
    });
    expect(JSON.stringify(seen)).not.toContain("staff-1");
    const [others, unknown] = [await get(`/hive/v1/requests/${requestId}`, bob), await get("/hive/v1/requests/x", bob)];
    expect([others.status, await others.text()]).toEqual([404, await unknown.text()]);
    expect((await get(`/hive/v1/requests/${requestId}`, fleet.adminToken)).status).toBe(200);

    const usageOf = async (token: string, query = "") =>
      ((await (await get(`/hive/v1/usage${query}`, token)).json()) as { usage: UsageView[] }).usage;
    await eventually("the host reported it", async () => (await usageOf(alice)).length === 1);
    expect(await usageOf(alice)).toMatchObject([
      { tenant: "alice", requests: 1, promptTokens: counted.prompt_eval_count, outputTokens: counted.eval_count },
    ]);
    expect(await usageOf(bob, "?sub=alice")).toEqual([]);
    expect(await usageOf(fleet.adminToken, "?sub=alice")).toHaveLength(1);
    const shown = await runHive(["usage", "--sub", "alice", "--edge", fleet.url, "--state", fleet.stateDir]);
    expect(shown.stdout).toMatch(/^DAY .*\n\S+ +alice +llama3\.2:latest +1 +\d+ +\d+\n$/);
  });
});

describe("a limit of a token [T23]", () => {
  it("refuses the request beyond it with 429 and Retry-After, in the API's own shape, and no other tenant's", async () => {
    const limited = await fleet.clientToken({ sub: "limited", rpm: 2 });
    expect([(await chat(limited)).status, (await chat(limited)).status]).toEqual([200, 200]);
    const refused = await chat(limited);
    expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([429, true]);
    expect(await refused.json()).toMatchObject({ error: expect.stringContaining("2 requests per minute") });
    expect((await chat(await fleet.clientToken({ sub: "limited", rpm: 2 }))).status).toBe(429);
    expect((await chat(await fleet.clientToken({ sub: "free" }))).status).toBe(200);
  });

  it("counts tokens of the day from what hosts report", async () => {
    const token = await fleet.clientToken({ sub: "thrifty", tokensPerDay: 60 });
    expect((await chat(token, { options: { num_predict: 50 } })).status).toBe(200);
    await eventually("its day is used up", async () => (await chat(token)).status === 429);
  });

  it("holds requests at once", async () => {
    const token = await fleet.clientToken({ sub: "single", concurrent: 1 });
    const first = await chat(token, { model: "slow", stream: true });
    expect((await chat(token)).status).toBe(429);
    await first.body?.cancel();
    await eventually("the first has ended", async () => (await chat(token)).status === 200);
  });

  it("caps the length of an answer before the host sees the request", async () => {
    const token = await fleet.clientToken({ sub: "brief", maxOutput: 3 });
    const answer = (await (await chat(token, { options: { num_predict: -1 } })).json()) as { eval_count: number };
    expect(answer.eval_count).toBe(3);
    const received = fleet.hosts[0]?.ollama.requests.findLast(({ url }) => url === "/api/chat");
    expect(JSON.parse(received?.bodyText ?? "{}")).toMatchObject({ options: { num_predict: 3 } });
  });

  it("stops alternating runner options from keeping hosts busy with loads [T22]", async () => {
    const token = await fleet.clientToken({ sub: "thrash", loads: 2 });
    const statuses: number[] = [];
    for (const num_ctx of [512, 1_024, 2_048, 4_096, 512]) {
      statuses.push((await chat(token, { options: { num_ctx, num_predict: 1 } })).status);
    }
    expect(statuses.slice(0, 4)).toEqual([200, 200, 429, 429]);
    const empty = await fetch(`${fleet.url}/api/generate`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: '{"model":"secret-plans","options":{"num_ctx":777}}',
    });
    expect(empty.status).toBe(429);
  });
});

describe("a host's egress [T25]", () => {
  it("stays closed: cloud models, server-side web tools and rendered prompts are refused and reach no host", async () => {
    const before = fleet.hosts[0]?.ollama.requests.filter(({ method }) => method === "POST").length;
    for (const model of ["gpt-oss:120b-cloud", "x:cloud", "llama3.2:CLOUD", " x:cloud "]) {
      expect((await chat(fleet.token, { model })).status, model).toBe(403);
    }
    const bodies: [string, object][] = [
      ["/v1/messages", { model: "llama3.2", max_tokens: 5, messages: [], tools: [{ type: "web_search_20250305" }] }],
      ["/v1/responses", { model: "llama3.2", input: "hi", tools: [{ type: "web_search" }] }],
      ["/api/generate", { model: "llama3.2", prompt: "hi", _debug_render_only: true }],
    ];
    for (const [path, body] of bodies) {
      const headers = { authorization: `Bearer ${fleet.token}` };
      const response = await fetch(fleet.url + path, { method: "POST", headers, body: JSON.stringify(body) });
      expect(response.status, path).toBe(403);
    }
    expect(fleet.hosts[0]?.ollama.requests.filter(({ method }) => method === "POST").length).toBe(before);
  });
});
