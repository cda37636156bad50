// Where a client may put its token, and what the signature of an `ollama` command line is worth.
import { beforeAll, describe, expect, it } from "vitest";
import { makeOllamaSigner } from "./ollama-signer.ts";
import type { OllamaSigner } from "./ollama-signer.ts";
import { startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

const PATH = "/api/version";
const TS_MS = 60_000;
let edge: TestEdge;
let signer: OllamaSigner;
let admin: string;

beforeAll(async () => {
  edge = await startEdge();
  admin = await edge.admin();
  signer = await makeOllamaSigner();
  expect((await register(signer)).status).toBe(201);
});

async function register(who: OllamaSigner, claims: object = {}): Promise<Response> {
  const wish = { role: "client", sub: "ann", ollamaKey: who.key, ...claims };
  return await edge.call("/hive/v1/tokens", { method: "POST", token: admin, body: JSON.stringify(wish) });
}

async function callSigned(
  who: OllamaSigner,
  { at = Date.now(), method = "GET", path = PATH, prefix = "", signed = path }: Partial<SignedCall> = {},
): Promise<number> {
  const { query, authorization } = await who.sign("GET", signed, at);
  const body = method === "GET" ? {} : { body: "{}" };
  return (await edge.call(prefix + path + query, { method, headers: { authorization }, ...body })).status;
}

interface SignedCall {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly prefix: string;
  /** The path that is signed. */
  readonly signed: string;
}

type Place = (token: string) => { prefix?: string; headers?: Record<string, string> };

const PLACES: Readonly<Record<string, Place>> = {
  bearer: (token) => ({ headers: { authorization: `Bearer ${token}` } }),
  "bearer in lower case": (token) => ({ headers: { authorization: `bearer ${token}` } }),
  "x-api-key": (token) => ({ headers: { "x-api-key": token } }),
  "Basic, as password": (token) => ({ headers: { authorization: `Basic ${btoa(`user:${token}`)}` } }),
  "Basic, as user": (token) => ({ headers: { authorization: `Basic ${btoa(`${token}:`)}` } }),
  path: (token) => ({ prefix: `/k/${token}` }),
};

describe("a token", () => {
  it.each(Object.entries(PLACES))("is taken from the %s", async (_name, place) => {
    const { prefix = "", headers = {} } = place(await edge.client({ url: true, models: ["*"] }));
    expect((await edge.call(prefix + PATH, { headers })).status).toBe(200);
  });

  it.each(Object.entries(PLACES))("is taken from the %s with dummies in every other place", async (_name, place) => {
    const { prefix, headers = {} } = place(await edge.client({ url: true }));
    const dummies = { authorization: "Bearer ollama", "x-api-key": "sk-dummy" };
    expect((await edge.call((prefix ?? "/k/dummy") + PATH, { headers: { ...dummies, ...headers } })).status).toBe(200);
  });

  it("beats a revoked or expired one in another place", async () => {
    const jti = crypto.randomUUID();
    const revoked = await edge.client({ url: true, jti });
    await edge.call(`/hive/v1/tokens/${jti}`, { method: "DELETE", token: admin });
    const good = await edge.client();
    await expect.poll(async () => (await edge.call(`/k/${revoked}${PATH}`)).status, { timeout: 6_000 }).toBe(401);
    expect((await edge.call(`/k/${revoked}${PATH}`, { token: good })).status).toBe(200);
    const now = Math.floor(Date.now() / 1000);
    const expired = await edge.client({ url: true, iat: now - 600, exp: now - 300 });
    expect((await edge.call(`/k/${expired}${PATH}`, { token: good })).status).toBe(200);
  }, 15_000);

  it("is taken from no query string, and from a path only when it was issued for one [T17]", async () => {
    const token = await edge.client({ url: true });
    for (const query of [
      `?key=${token}`,
      `?token=${token}`,
      `?access_token=${token}`,
      `?authorization=Bearer%20${token}`,
    ])
      expect((await edge.call(PATH + query)).status).toBe(401);
    expect((await edge.call(`/k/${await edge.client()}${PATH}`)).status).toBe(401);
  });

  it("that is not valid is refused in the shape of the API, and in a readable 403 to the command line", async () => {
    const asked = async (path: string, headers: Record<string, string> = {}) => {
      const response = await edge.call(path, { method: "POST", body: "{}", headers });
      return { status: response.status, json: await response.json() };
    };
    const message = "hive: no valid token";
    expect(await asked("/api/chat")).toEqual({ status: 401, json: { error: message } });
    expect(await asked("/k/bogus/api/chat")).toEqual({ status: 401, json: { error: message } });
    expect(await asked("/api/chat", { "user-agent": "ollama/0.33.0 (amd64 linux) Go/go1.26" })).toEqual({
      status: 403,
      json: { error: message },
    });
    for (const path of ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/audio/transcriptions"])
      expect(await asked(path)).toEqual({
        status: 401,
        json: { error: { message, type: "api_error", param: null, code: null } },
      });
    expect(await asked("/v1/messages")).toMatchObject({
      status: 401,
      json: { type: "error", error: { type: "authentication_error", message } },
    });
    expect(await asked("/hive/v1/tokens")).toMatchObject({ status: 401, json: { code: "unauthenticated" } });
  });
});

describe("the signature of a registered Ollama key", () => {
  it("is taken with and without the prefix of a base URL", async () => {
    expect(await callSigned(signer)).toBe(200);
    // Known, but not one who may choose hosts.
    expect(await callSigned(signer, { prefix: "/h/some-host" })).toBe(403);
    expect(await callSigned(signer, { prefix: "/k/dummy" })).toBe(200);
  });

  it("is taken within a minute of its time, either way, and not beyond [T2]", async () => {
    const now = Date.now();
    for (const offset of [-TS_MS + 5_000, TS_MS - 5_000])
      expect(await callSigned(signer, { at: now + offset })).toBe(200);
    for (const offset of [-TS_MS - 2_000, TS_MS + 2_000])
      expect(await callSigned(signer, { at: now + offset })).toBe(401);
  });

  it("is refused for another method, another path, another time and without a time [T13]", async () => {
    expect(await callSigned(signer, { method: "POST", path: "/api/show" })).toBe(401);
    expect(await callSigned(signer, { signed: "/api/tags" })).toBe(401);
    const { query, authorization } = await signer.sign("GET", PATH, Date.now());
    const later = `?ts=${Number(query.slice(4)) + 1}`;
    for (const other of [later, "", "?ts=", "?ts=x", `?ts=${"9".repeat(30)}`])
      expect((await edge.call(PATH + other, { headers: { authorization } })).status, other).toBe(401);
  });

  it("is refused when it is another's, bent, or of a key that nobody registered [T13 T18]", async () => {
    const stranger = await makeOllamaSigner();
    expect(await callSigned(stranger)).toBe(401);
    const { query, authorization } = await signer.sign("GET", PATH, Date.now());
    const theirs = (await stranger.sign("GET", PATH, Date.now())).authorization;
    const [key = "", signature = ""] = authorization.split(":");
    const bent = `${signature[0] === "A" ? "B" : "A"}${signature.slice(1)}`;
    for (const header of [
      `${key}:${theirs.split(":")[1]}`,
      `${key}:${bent}`,
      `${key}:`,
      key,
      `:${signature}`,
      `${key}:${key}`,
    ])
      expect((await edge.call(PATH + query, { headers: { authorization: header } })).status, header).toBe(401);
  });

  it("opens what was registered for it, and nothing else [T14]", async () => {
    const narrow = await makeOllamaSigner();
    await register(narrow, { models: ["llama3.2"] });
    const { query, authorization } = await narrow.sign("POST", "/api/chat", Date.now());
    const body = '{"model":"other","messages":[]}';
    const response = await edge.call(`/api/chat${query}`, { method: "POST", headers: { authorization }, body });
    expect(response.status).toBe(403);
    expect(await callSigned(narrow, { path: "/hive/v1/fleet" })).toBe(403);
    const pull = await narrow.sign("POST", "/api/pull", Date.now());
    const refused = await edge.call(`/api/pull${pull.query}`, {
      method: "POST",
      headers: { authorization: pull.authorization },
      body: '{"model":"llama3.2"}',
    });
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { error: "hive: this token may not change models (one issued with --scope manage may)" },
    ]);
  });

  it("ends when its token is revoked, and lives again when the key is registered anew [T15]", async () => {
    const leaving = await makeOllamaSigner();
    const { id, ...rest } = (await (await register(leaving)).json()) as { id: string; token?: string };
    expect(rest.token).toBeUndefined();
    expect(await callSigned(leaving)).toBe(200);
    await edge.call(`/hive/v1/tokens/${id}`, { method: "DELETE", token: admin });
    await expect.poll(async () => await callSigned(leaving), { timeout: 6_000 }).toBe(401);
    await register(leaving);
    expect(await callSigned(leaving)).toBe(200);
  }, 15_000);

  it("is what its token needs: as a bearer token that token opens nothing [T2]", async () => {
    const bound = await edge.client({ ollamaKey: signer.key, url: true });
    expect((await edge.call(PATH, { token: bound })).status).toBe(401);
    expect((await edge.call(`/k/${bound}${PATH}`)).status).toBe(401);
  });
});
