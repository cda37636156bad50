// Cases about who asks: where a credential may stand, what of it a host sees, and which web pages may call.
import { generateKeyPairSync, sign } from "node:crypto";
import { expect } from "vitest";
import { runHive } from "../../cli/run-hive.ts";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { json, observe, send } from "../exchange.ts";
import type { World } from "../world.ts";

const messages = [{ role: "user", content: "Why is the sky blue?" }];

/** What the `ollama` command line sends: a base URL with a key, its user agent, and a heartbeat before everything. */
async function cli(
  world: World,
  key: string,
  calls: readonly [method: "GET" | "POST" | "DELETE", path: string, body?: unknown][],
) {
  const base = `${world.fleet.url}/k/${key}`;
  const headers = { "user-agent": "ollama/0.33.0 (amd64 linux) Go/go1.26", accept: "application/x-ndjson" };
  expect((await send(base, { method: "HEAD", path: "/", headers })).status).toBe(200);
  const seen: { status: number; text: string }[] = [];
  for (const [method, path, body] of calls) {
    const answer = await send(base, { method, path, headers, ...(body === undefined ? {} : { body: json(body) }) });
    seen.push({ status: answer.status, text: await answer.text() });
  }
  return seen;
}

const commandLine = anyHost(
  14,
  "the calls of ollama ls, ps, show, run, stop and -v work by a base URL with a key",
  async (world) => {
    const key = await world.issue({ url: true });
    const model = world.models.chat;
    const seen = await cli(world, key, [
      ["GET", "/api/tags"],
      ["GET", "/api/ps"],
      ["GET", "/api/version"],
      ["POST", "/api/show", { model }],
      ["POST", "/api/generate", { model }],
      ["POST", "/api/chat", { model, messages, options: { num_predict: 4 } }],
      ["POST", "/api/show", { model }],
      ["POST", "/api/generate", { model, keep_alive: 0 }],
    ]);
    expect(seen.map(({ status }) => status)).toEqual(seen.map(() => 200));
    expect(seen[0]?.text).toMatch(/"digest":"[0-9a-f]{64}"/);
    expect(seen[4]?.text).toContain('"done_reason":"load"');
    expect(seen[5]?.text).toContain('"done":true');
    expect(seen[7]?.text).toContain('"done_reason":"unload"');
    // The command line shows the text of a 403 and hides that of a 401.
    const [refused] = await cli(world, "bogus", [["GET", "/api/tags"]]);
    expect([refused?.status, JSON.parse(refused?.text ?? "")]).toEqual([
      403,
      { error: expect.stringMatching(/^hive: /) },
    ]);
  },
);

const places = anyHost(
  15,
  "a valid credential anywhere wins over a dummy elsewhere; none is refused in each API's shape",
  async (world) => {
    const key = await world.issue({ url: true });
    const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    const accepted: [prefix: string, headers: Record<string, string>][] = [
      [`/k/${key}`, {}],
      [`/k/${key}`, { authorization: "Bearer ollama", "x-api-key": "dummy" }],
      ["/k/bogus", { authorization: `Bearer ${key}` }],
      ["", { authorization: `Bearer ${key}` }],
      ["", { authorization: "Bearer ollama", "x-api-key": key }],
      ["", { authorization: basic("anyone", key) }],
      ["", { authorization: basic(key, "") }],
    ];
    for (const [prefix, headers] of accepted)
      expect(
        (await send(world.fleet.url, { path: `${prefix}/api/tags`, headers })).status,
        json([prefix, headers]),
      ).toBe(200);
    const headers = { authorization: "Bearer ollama" };
    const native = await send(world.fleet.url, { path: `/api/chat?token=${key}`, body: "{}", headers });
    expect([native.status, await native.json()]).toEqual([401, { error: expect.any(String) }]);
    const openai = await send(world.fleet.url, { path: "/v1/chat/completions", body: "{}", headers });
    expect([openai.status, await openai.json()]).toMatchObject([
      401,
      { error: { message: expect.any(String), param: null } },
    ]);
    const anthropic = await send(world.fleet.url, { path: "/v1/messages", body: "{}", headers });
    expect([anthropic.status, await anthropic.json()]).toMatchObject([
      401,
      { type: "error", error: { type: "authentication_error" } },
    ]);
  },
);

/** The key of an `ollama` command line with OLLAMA_AUTH=1, and its way of signing. */
function signer() {
  const pair = generateKeyPairSync("ed25519");
  const raw = Buffer.from(pair.publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const name = Buffer.from("ssh-ed25519");
  // RFC 4253, section 6.6: each part behind its length.
  const blob = Buffer.concat([Buffer.from([0, 0, 0, name.length]), name, Buffer.from([0, 0, 0, raw.length]), raw]);
  const key = blob.toString("base64");
  return {
    publicLine: `ssh-ed25519 ${key} conformance`,
    authorize: (signed: string) => ({
      authorization: `${key}:${sign(null, Buffer.from(signed), pair.privateKey).toString("base64")}`,
    }),
  };
}

const signature = anyHost(
  16,
  "a registered key signs for its caller, with and without a prefix; nothing else that it signed counts",
  async (world) => {
    const { publicLine, authorize } = signer();
    const { url, stateDir } = world.fleet;
    const now = Math.floor(Date.now() / 1000);
    const send = async (path: string, signed: string, method = "GET") =>
      (await fetch(url + path, { method, headers: authorize(signed) })).status;
    const query = `?ts=${now}`;
    expect(await send(`/api/tags${query}`, `GET,/api/tags${query}`)).toBe(401);
    const where = ["--edge", url, "--state", stateDir];
    const registered = await runHive(["token", "issue", "--role", "client", "--ollama-key", publicLine, ...where]);
    expect(registered.code).toBe(0);
    expect(await send(`/api/tags${query}`, `GET,/api/tags${query}`)).toBe(200);
    expect(await send(`/k/none/api/tags${query}`, `GET,/api/tags${query}`)).toBe(200);
    const stale = `?ts=${now - 600}`;
    const refused: [path: string, signed: string][] = [
      [`/api/tags${stale}`, `GET,/api/tags${stale}`],
      [`/api/tags${query}`, `POST,/api/tags${query}`],
      [`/api/tags${query}`, `GET,/api/ps${query}`],
      ["/api/tags", "GET,/api/tags"],
    ];
    for (const [path, signed] of refused) expect(await send(path, signed), `${path} ${signed}`).toBe(401);
  },
);

const hygiene = simulatedOnly(
  17,
  "a host sees neither token, origin, cookie nor the public host, and answers",
  async (world) => {
    const key = await world.issue({ url: true });
    const canary = "canary-4711";
    const headers = {
      authorization: "Bearer ollama",
      "x-api-key": canary,
      cookie: `session=${canary}`,
      origin: "http://localhost:3000",
      "x-forwarded-prefix": `/${canary}`,
      "x-forwarded-for": "203.0.113.9",
      "cf-connecting-ip": "203.0.113.9",
      "user-agent": "GitHubCopilotChat/1.0",
    };
    const body = json({ model: "llama3.2", messages, stream: false, keep_alive: "5m" });
    const answer = await send(world.fleet.url, { path: `/k/${key}/api/chat`, body, headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.getSetCookie()).toEqual([]);
    await answer.text();
    const received = world.fleet.hosts
      .flatMap(({ ollama }) => ollama.requests)
      .filter((request) => request.bodyText === body);
    expect(received).toHaveLength(1);
    const lines = json(received.map((request) => [request.url, request.rawHeaders]));
    for (const secret of [key, canary, "localhost:3000", "203.0.113.9", new URL(world.fleet.url).port])
      expect(lines).not.toContain(secret);
    expect(received[0]?.headers["user-agent"]).toBe("GitHubCopilotChat/1.0");
  },
);

const ORIGINS = [
  "http://localhost:3000",
  "https://127.0.0.1",
  "http://0.0.0.0:8080",
  "app://obsidian.md",
  "tauri://x",
  "file://",
];

const origins = anyHost(
  36,
  "web pages may call by Ollama's list of origins, and preflights need no credential",
  async (world) => {
    for (const origin of ORIGINS) {
      const headers = {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      };
      const preflight = await send(world.fleet.url, { method: "OPTIONS", path: "/api/chat", headers });
      const direct = await send(world.directUrl, { method: "OPTIONS", path: "/api/chat", headers });
      expect(preflight.status, origin).toBe(204);
      expect(preflight.headers.get("access-control-allow-origin")).toBe(
        direct.headers.get("access-control-allow-origin"),
      );
      const listed = (response: Response, name: string) =>
        (response.headers.get(name) ?? "").toLowerCase().split(/,\s*/);
      for (const name of ["access-control-allow-methods", "access-control-allow-headers"])
        expect(listed(preflight, name), name).toEqual(expect.arrayContaining(listed(direct, name)));
      expect(preflight.headers.get("access-control-max-age")).toBe(direct.headers.get("access-control-max-age"));
    }
    const own = { origin: "https://app.example" };
    const listed = await send(world.fleet.url, { method: "OPTIONS", path: "/v1/messages", headers: own });
    expect([listed.status, listed.headers.get("access-control-allow-origin")]).toEqual([204, own.origin]);
    // A refusal too must be readable to the page that caused it.
    const unauthenticated = await send(world.fleet.url, { path: "/api/tags", headers: own });
    expect([unauthenticated.status, unauthenticated.headers.get("access-control-allow-origin")]).toEqual([
      401,
      own.origin,
    ]);
    for (const method of ["GET", "HEAD"] as const) {
      const root = await send(world.fleet.url, { path: "/", method, headers: own });
      expect([root.status, root.headers.get("access-control-allow-origin")]).toEqual([200, own.origin]);
    }
    const evil = { origin: "https://evil.example" };
    expect((await send(world.fleet.url, { path: "/", headers: evil })).status).toBe(403);
    for (const exchange of [
      { method: "OPTIONS", path: "/api/chat", headers: evil } as const,
      { path: "/api/tags", headers: evil },
    ]) {
      expect((await observe(await world.send(exchange))).records).toEqual([""]);
      expect((await world.send(exchange)).status).toBe(403);
    }
    const body = json({ model: world.models.chat, messages, stream: false, options: { num_predict: 2 } });
    const answer = await world.send({ path: "/api/chat", body, headers: { origin: "http://localhost:3000" } });
    await answer.text();
    // One value, not the host's beside Hive's: browsers refuse a list.
    expect(answer.headers.get("access-control-allow-origin")).toBe("http://localhost:3000");
  },
);

export const credentialCases: readonly ConformanceCase[] = [commandLine, places, signature, hygiene, origins];
