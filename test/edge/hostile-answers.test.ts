// What a host answers and is sent, without sockets: every lie ends as a failed attempt or as plain bytes, and nothing of a
// client's but what it may send reaches the host.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Heartbeat } from "../../src/wire/heartbeat.ts";
import { LEG_CONTENT_TYPE } from "../../src/wire/leg.ts";
import { makeHostKeys, startEdge } from "./edge.ts";
import type { CallInit, TestEdge } from "./edge.ts";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const row = (name: string) => ({
  name,
  digest: name.padEnd(64, "0"),
  sizeBytes: 1,
  modifiedAt: "2026-01-01T00:00:00Z",
  capabilities: ["completion", "tools"],
});
const running = (name: string) => ({
  ...row(name),
  contextLength: 4_096,
  sizeVramBytes: 1,
  expiresAt: "2099-01-01T00:00:00Z",
});
let edge: TestEdge;
let seen: { url: string; init: RequestInit; body: string }[];
let answer: () => Response | Promise<Response>;

/** An answer of the leg: the head line, then the body. */
function leg(head: object, body: BodyInit = '{"done":true}'): Response {
  const stream = new Response(body).body ?? new ReadableStream();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const pass = async (): Promise<void> => {
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode(`${JSON.stringify(head)}\n`));
    writer.releaseLock();
    await stream.pipeTo(writable);
  };
  pass().catch(() => undefined);
  return new Response(readable, { headers: { "content-type": LEG_CONTENT_TYPE } });
}

beforeAll(async () => void (edge = await startEdge()));
beforeEach(async () => {
  seen = [];
  answer = () => leg({ status: 200, headers: JSON_TYPE });
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    seen.push({ url, init, body: await new Response(init.body).text() });
    return await answer();
  });
  // A host of its own for each test: what one before it was told is not held against it.
  await edge.cell().removeHost("evil");
  const { signingKey, agreementKey } = await makeHostKeys();
  const registration = { id: "evil", url: "https://evil.hosts.example.com", pool: "default", region: "any" };
  const whole = { ...registration, signingKey, agreementKey, registeredAt: 1, drained: false };
  await edge.cell().joinHost(whole, crypto.randomUUID());
  const beat: Heartbeat = {
    runId: "run-00000001",
    sequence: 1,
    agentVersion: "1",
    ollamaVersion: "0.33.0",
    backend: "up",
    models: [row("bait"), row("secret-plans")],
    running: [running("bait"), running("secret-plans")],
    slots: 8,
    parallel: 8,
    active: [],
    finished: [],
  };
  expect(await edge.cell().recordHeartbeat("evil", beat)).toMatchObject({ ok: true });
});
afterEach(() => void vi.unstubAllGlobals());

async function chat(part: object = {}, init: CallInit = {}, path = "/api/chat"): Promise<Response> {
  const body = JSON.stringify({ model: "bait", messages: [{ role: "user", content: "hi" }], stream: false, ...part });
  const token = init.token ?? (await edge.client());
  return await edge.call(path, {
    method: "POST",
    token,
    body,
    ...init,
    headers: { "hive-deadline-ms": "5000", ...init.headers },
  });
}

describe("what a host answers", () => {
  it.each<[string, () => Response | Promise<Response>]>([
    [
      "a head line without end",
      () => new Response("x".repeat(200_000), { headers: { "content-type": LEG_CONTENT_TYPE } }),
    ],
    ["a head line that is no JSON", () => new Response("{]\nx", { headers: { "content-type": LEG_CONTENT_TYPE } })],
    ["a status that is none", () => leg({ status: 99, headers: JSON_TYPE })],
    ["no head at all", () => new Response("", { headers: { "content-type": LEG_CONTENT_TYPE } })],
    ["less than it declared", () => leg({ status: 200, headers: { ...JSON_TYPE, "content-length": "1000" } }, "{}")],
    ["more than it declared", () => leg({ status: 200, headers: { ...JSON_TYPE, "content-length": "1" } }, "{}")],
    ["a page", () => new Response('{"status":200,"headers":{}}\n{}', { headers: { "content-type": "text/html" } })],
    ["a redirect", () => new Response(null, { status: 302, headers: { location: "https://evil.example" } })],
    ["a broken connection", async () => await Promise.reject(new Error("reset by https://evil.hosts.example.com"))],
  ])("is a failed attempt, never half an answer, when it is %s [T11 T30]", async (_, lie) => {
    answer = lie;
    const response = await chat();
    const text = await response.text();
    expect(seen.length).toBeGreaterThan(0);
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(Object.keys(JSON.parse(text) as object)).toEqual(["error"]);
    expect(text).not.toMatch(/hosts\.example|\.ts/);
    expect(response.headers.get("location")).toBeNull();
  });

  /** As good as endless: pieces that are counted as they are asked for. */
  function counted(pieceBytes: number, mostBytes: number) {
    const count = { bytes: 0 };
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        count.bytes += pieceBytes;
        if (count.bytes > mostBytes) controller.close();
        else controller.enqueue(new Uint8Array(pieceBytes).fill(0x78));
      },
    });
    return { count, stream };
  }

  it("is given up at 64 MB where one document is awaited [T11]", async () => {
    const { count, stream } = counted(1_000_000, 150_000_000);
    answer = () => leg({ status: 200, headers: JSON_TYPE }, stream);
    expect((await chat()).status).toBeGreaterThanOrEqual(500);
    expect(count.bytes).toBeLessThan(100_000_000);
  });

  it("is given up soon where its head line has no end [T11]", async () => {
    const { count, stream } = counted(10_000, 5_000_000);
    answer = () => new Response(stream, { headers: { "content-type": LEG_CONTENT_TYPE } });
    expect((await chat()).status).toBeGreaterThanOrEqual(500);
    expect(count.bytes).toBeLessThan(1_000_000);
  });

  it.each(["text/html", "image/svg+xml", "text/html\r\nset-cookie: a=1", "application/json\u0000", "TEXT/HTML"])(
    "is plain bytes of no type when it says %j, and none of its headers is passed on [T10 T12]",
    async (type) => {
      const hostile = {
        "content-type": type,
        "set-cookie": "hive=stolen",
        location: "https://evil.example",
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=1",
        "clear-site-data": '"*"',
        "content-security-policy": "default-src *",
        refresh: "0;url=https://evil.example",
        "www-authenticate": "Basic",
      };
      answer = () => leg({ status: 200, headers: hostile }, "<script>1</script>");
      const response = await chat();
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/octet-stream"]);
      const ours = /^(hive-|cache-control|content-|x-content-type-options|referrer-policy)/;
      expect([...response.headers.keys()].filter((name) => !ours.test(name))).toEqual([]);
      expect(response.headers.get("content-security-policy")).not.toContain("*");
    },
  );
});

/** Where the APIs say how long an answer may be. */
interface CappedBody {
  readonly options?: { readonly num_predict: number };
  readonly max_tokens?: number;
}

describe("what a host is sent", () => {
  it("has no query, credential or address of the client [T8 T9]", async () => {
    const canary = "canary-secret";
    const headers = {
      "x-api-key": canary,
      cookie: canary,
      "x-forwarded-for": canary,
      origin: "http://localhost",
      te: canary,
    };
    expect((await chat({}, { headers }, `/api/chat?token=${canary}&x=1`)).status).toBe(200);
    expect(seen.map(({ url }) => url)).toEqual(["https://evil.hosts.example.com/api/chat"]);
    const text = JSON.stringify([...new Headers(seen[0]?.init.headers)]) + (seen[0]?.body ?? "");
    expect(text).not.toContain(canary);
    expect(text).not.toContain("203.0.113.7");
    expect(text).not.toContain("acme");
  });

  it("has an end where the token has a cap, in every API's own words [T23]", async () => {
    const token = await edge.client({ maxOutput: 7 });
    const bodies: [path: string, part: object, read: (body: CappedBody) => unknown][] = [
      ["/api/chat", { options: { num_predict: -1 } }, ({ options }) => options?.num_predict],
      ["/api/chat", {}, ({ options }) => options?.num_predict],
      ["/v1/chat/completions", { max_tokens: 1_000_000 }, ({ max_tokens }) => max_tokens],
      ["/v1/chat/completions", {}, ({ max_tokens }) => max_tokens],
      ["/v1/messages", { max_tokens: 1_000_000 }, ({ max_tokens }) => max_tokens],
    ];
    for (const [path, part, read] of bodies) {
      await (await chat(part, { token }, path)).text();
      expect([path, read(JSON.parse(seen.at(-1)?.body ?? "{}") as CappedBody)]).toEqual([path, 7]);
    }
  });

  it("is for models alone that the token names, and for none that leaves the host [T19 T25]", async () => {
    const token = await edge.client({ models: ["bait"] });
    for (const model of [
      "secret-plans",
      "SECRET-plans:latest",
      "library/secret-plans",
      "registry.ollama.ai/library/secret-plans",
    ])
      expect([model, (await chat({ model }, { token })).status]).toEqual([model, 403]);
    for (const model of ["bait:cloud", " bait:CLOUD ", "bait:20b-cloud"])
      expect([model, (await chat({ model })).status]).toEqual([model, 403]);
    for (const tools of [[{ type: "web_search" }], [{ type: "Web_Search_20250305" }], [{ type: " web_fetch" }]])
      expect((await chat({ tools, max_tokens: 1 }, {}, "/v1/messages")).status).toBe(403);
    expect((await chat({ _debug_render_only: true })).status).toBe(403);
    expect(seen).toEqual([]);
    for (const path of ["/api/tags", "/api/ps", "/v1/models"])
      expect(await (await edge.call(path, { token })).text()).not.toContain("secret");
    expect((await edge.call("/v1/models/secret-plans", { token })).status).toBe(404);
    expect((await chat({ model: "BAIT" }, { token })).status).toBe(200);
  });
});
