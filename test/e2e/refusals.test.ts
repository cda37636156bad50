// What is refused, and in whose words.
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;

beforeAll(async () => {
  fleet = await startFleet();
  await fleet.addHost("a", { models: [simulatedModel({ name: "llama3.2" }), simulatedModel({ name: "other" })] });
});
afterAll(async () => await fleet.close());

async function post(
  path: string,
  body: string,
  token: string | undefined = fleet.token,
): Promise<{ status: number; json: unknown }> {
  const headers: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(fleet.url + path, { method: "POST", headers, body });
  return { status: response.status, json: await response.json() };
}

it("answers 401 without a token, in the shape of the API", async () => {
  expect(await post("/api/chat", "{}", "")).toEqual({ status: 401, json: { error: "hive: no valid token" } });
  const openai = await post("/v1/chat/completions", "{}", "");
  expect(openai).toMatchObject({ status: 401, json: { error: { type: "api_error", code: null } } });
});

it("answers 403 to a token for another model", async () => {
  const token = await fleet.clientToken({ models: ["other"] });
  const answer = await post("/api/chat", '{"model":"llama3.2","messages":[]}', token);
  expect(answer).toEqual({ status: 403, json: { error: "hive: this token may not use model 'llama3.2'" } });
});

it("answers 404 to an unknown model in Ollama's words, for every endpoint", async () => {
  expect(await post("/api/chat", '{"model":"nope"}')).toEqual({
    status: 404,
    json: { error: "model 'nope' not found" },
  });
  expect(await post("/api/generate", '{"model":"nope"}')).toEqual({
    status: 404,
    json: { error: "model 'nope' not found" },
  });
  expect(await post("/api/embed", '{"model":"nope"}')).toEqual({
    status: 404,
    json: { error: 'model "nope" not found, try pulling it first' },
  });
  expect(await post("/api/show", '{"model":"nope"}')).toEqual({
    status: 404,
    json: { error: "model 'nope:latest' not found" },
  });
});

it("answers 400 to malformed JSON exactly as the host", async () => {
  const host = fleet.hosts[0]?.ollama.url ?? "";
  for (const path of [
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/embeddings",
    "/api/show",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
  ]) {
    for (const body of ["{", "not json", "", '{"model":', '{"model":"llama3.2",}', "[1]", '{"stream":tru}']) {
      const direct = await fetch(host + path, { method: "POST", body });
      const expected = { status: direct.status, json: await direct.json() };
      expect(await post(path, body), `${path} ${body}`).toEqual(expected);
    }
  }
});

it("refuses a body that Go and JavaScript would read differently [T12]", async () => {
  expect((await post("/api/chat", '{"model":"llama3.2","MODEL":"other","messages":[]}')).status).toBe(400);
  expect((await post("/api/chat", '{"model":"llama3.2","messages":[]} {}')).status).toBe(400);
});

it("answers 413 to a body over MAX_BODY [T21]", async () => {
  expect((await post("/api/chat", `{"model":"llama3.2","x":"${"a".repeat(33_000_000)}"}`)).status).toBe(413);
});

it("answers unknown paths and methods in Ollama's words", async () => {
  const headers = { authorization: `Bearer ${fleet.token}` };
  const unknown = await fetch(`${fleet.url}/nope`, { headers });
  expect([unknown.status, await unknown.text()]).toEqual([404, "404 page not found"]);
  const wrong = await fetch(`${fleet.url}/api/chat`, { headers });
  expect([wrong.status, await wrong.text(), wrong.headers.get("allow")]).toEqual([
    405,
    "405 method not allowed",
    "POST",
  ]);
});

it("opens to nobody what an operator may", async () => {
  const response = await fetch(`${fleet.url}/hive/v1/fleet`, { headers: { authorization: `Bearer ${fleet.token}` } });
  expect(response.status).toBe(403);
});

it("publishes its public keys and nothing private [T29]", async () => {
  const jwks = (await (await fetch(`${fleet.url}/.well-known/jwks.json`)).json()) as {
    keys: Record<string, unknown>[];
  };
  expect(jwks.keys.length).toBeGreaterThan(0);
  expect(jwks.keys.every((key) => key["d"] === undefined)).toBe(true);
});
