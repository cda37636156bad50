// `/api/show` costs a host one call for each digest and way of asking, and never tells more than the caller may know.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet({ MODEL_ALIASES: "gpt-4o-mini=llama3.2", CONTEXT_SIZES: "4096" });
  const models = [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "other" })];
  for (const id of ["a", "b"]) await fleet.addHost(id, { models });
});
afterAll(async () => await fleet.close());

async function show(body: object, token = fleet.token, headers: Record<string, string> = {}) {
  const response = await fetch(`${fleet.url}/api/show`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(body),
  });
  const { status } = response;
  return {
    status,
    host: response.headers.get("hive-host"),
    type: response.headers.get("content-type"),
    text: await response.text(),
  };
}

function showsAtHosts(): number {
  return fleet.hosts.flatMap(({ ollama }) => ollama.requests).filter(({ url }) => url === "/api/show").length;
}

it("is asked of a host once, and then answered with the same bytes", async () => {
  const first = await show({ model: "llama3.2" });
  expect([first.status, first.host === null]).toEqual([200, false]);
  const before = showsAtHosts();
  for (let again = 0; again < 10; again += 1)
    expect(await show({ model: "llama3.2" })).toEqual({ ...first, host: null });
  expect(showsAtHosts()).toBe(before);
});

it("is asked anew in another way, and always where the body bends the answer", async () => {
  await show({ model: "llama3.2" });
  const verbose = { model: "llama3.2", verbose: true };
  expect((await show(verbose)).host).not.toBeNull();
  expect((await show(verbose)).host).toBeNull();
  const copilot = { "user-agent": "GitHubCopilotChat/0.30" };
  const named = await show({ model: "llama3.2" }, fleet.token, copilot);
  expect(named.host).not.toBeNull();
  expect(await show({ model: "llama3.2" }, fleet.token, copilot)).toEqual({ ...named, host: null });
  for (const more of [{ options: { num_ctx: 4096 } }, { system: "Be brief." }])
    for (const _ of [1, 2]) expect((await show({ model: "llama3.2", ...more })).host).not.toBeNull();
});

it("is asked as the client asks: a question about a context is no wish for a larger one", async () => {
  const asked = { model: "llama3.2", options: { num_ctx: 2048 } };
  await show(asked);
  const bodies = fleet.hosts.flatMap(({ ollama }) => ollama.requests).map(({ bodyText }) => bodyText);
  expect(bodies).toContain(JSON.stringify(asked));
});

it("is never kept from those who may, nor for those who may not", async () => {
  await show({ model: "llama3.2" });
  const byAlias = await fleet.clientToken({ models: ["gpt-4o-mini"] });
  expect((await show({ model: "gpt-4o-mini" }, byAlias)).status).toBe(200);
  const [elsewhere, others, pinning] = [
    await fleet.clientToken({ pool: "elsewhere" }),
    await fleet.clientToken({ models: ["other"] }),
    await fleet.clientToken({ hosts: true }),
  ];
  expect((await show({ model: "llama3.2" }, elsewhere)).status).not.toBe(200);
  expect((await show({ model: "llama3.2" }, others)).status).toBe(403);
  expect((await show({ model: "llama3.2" }, fleet.token, { "hive-host": "b" })).status).toBe(403);
  for (const _ of [1, 2]) expect((await show({ model: "llama3.2" }, pinning, { "hive-host": "b" })).host).toBe("b");
  expect((await show({ model: "llama3.2" }, "no-token")).status).toBe(401);
});

it("tells at once of a model that was made anew or is gone", async () => {
  const token = await fleet.clientToken({ scope: ["inference", "manage"], hosts: true });
  const manage = async (method: string, path: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${token}`, "hive-hosts": "a" };
    const response = await fetch(`${fleet.url}${path}`, { method, headers, body: JSON.stringify(body) });
    await response.text();
    expect(response.status).toBe(200);
  };
  for (const system of ["Be brief.", "Be long.", "Be brief."]) {
    await manage("POST", "/api/create", { model: "mine", from: "llama3.2", system });
    expect(JSON.parse((await show({ model: "mine" })).text)).toMatchObject({ system });
  }
  await manage("DELETE", "/api/delete", { model: "mine" });
  expect((await show({ model: "mine" })).status).toBe(404);
});
