// The framed leg: Ollama's own bytes behind one head line, and every way in which one of the three can go.
import { createServer } from "node:http";
import { describe, expect, it } from "vitest";
import { LEG_CONTENT_TYPE, LEG_TOKEN_HEADER } from "../../src/wire/leg.ts";
import { CHAT, startHost, takeApart, until } from "./fixture.ts";

const chats = (requests: readonly { readonly url: string }[]) => requests.filter(({ url }) => url === "/api/chat");

/** What differs between two runs of one request. */
function timeless(body: string): string {
  return body.replaceAll(/"(created_at|\w+_duration|id|created)":("[^"]*"|\d+)/g, '"$1":0');
}

describe("the leg", () => {
  it("carries the bytes that Ollama sends, behind one head line", async () => {
    await using host = await startHost();
    const cases = [
      { path: "/api/chat", body: CHAT },
      { path: "/api/chat", body: { ...CHAT, stream: false } },
      { path: "/v1/chat/completions", body: { ...CHAT, stream: true } },
      { path: "/api/generate", body: { model: "nobody-has-this", prompt: "x" } },
      { path: "/api/show", body: { model: "tiny" } },
    ];
    for (const { path, body } of cases) {
      const direct = await fetch(`${host.ollama.url}${path}`, { method: "POST", body: JSON.stringify(body) });
      const leg = await host.send({ path, body });
      expect(leg.status).toBe(200);
      expect(leg.answer.headers["content-type"]).toBe(LEG_CONTENT_TYPE);
      expect(leg.answer.headers["cache-control"]).toBe("no-transform");
      expect(leg.answer.headers["content-length"]).toBeUndefined();
      const { text, whole } = await leg.read();
      const relayed = takeApart(text);
      expect(whole).toBe(true);
      expect(relayed.head.status).toBe(direct.status);
      expect(relayed.head.headers["content-type"]).toBe(direct.headers.get("content-type"));
      expect(timeless(relayed.body)).toBe(timeless(await direct.text()));
    }
  });

  it("puts broken-up writes together again without changing a byte", async () => {
    await using host = await startHost();
    for (const frames of ["single_bytes", "split_utf8"] as const) {
      await host.ollama.setFault({ kind: "frames", frames, times: 1 });
      const broken = takeApart((await (await host.send({})).read()).text);
      const plain = takeApart((await (await host.send({})).read()).text);
      expect(timeless(broken.body)).toBe(timeless(plain.body));
    }
  });

  it("lets no header of a client reach Ollama [T8 T9]", async () => {
    await using host = await startHost();
    const leg = await host.send({
      headers: {
        accept: "application/x-ndjson",
        authorization: "Bearer secret",
        cookie: "session=secret",
        origin: "http://evil.example",
        "user-agent": "client/1",
        "x-forwarded-for": "192.0.2.1",
        "accept-encoding": "gzip",
        "hive-request-id": "r",
      },
    });
    await leg.read();
    const { headers } = chats(host.ollama.requests)[0] as (typeof host.ollama.requests)[number];
    expect(headers).toEqual({
      accept: "application/x-ndjson",
      "accept-encoding": "identity",
      connection: "keep-alive",
      "content-length": String(Buffer.byteLength(JSON.stringify(CHAT))),
      "content-type": "application/json",
      host: new URL(host.ollama.url).host,
      "user-agent": "client/1",
    });
  });

  it("lets no header of Ollama reach the edge but those that a client needs [T10]", async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, {
        "content-type": "application/json",
        "set-cookie": "a=1",
        server: "ollama",
        "x-y": "1",
      });
      response.end('{"done":true}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using host = await startHost();
    await host.agent.close();
    const odd = await host.start({ ollamaUrl: `http://127.0.0.1:${String(port)}` });
    try {
      const body = Buffer.from(JSON.stringify(CHAT));
      const token = await host.edge.sign({ body, path: "/api/show" });
      const answer = await fetch(`http://127.0.0.1:${String(odd.port)}/api/show`, {
        method: "POST",
        headers: { [LEG_TOKEN_HEADER]: token, "content-type": "application/json" },
        body,
      });
      expect(Object.keys(takeApart(await answer.text()).head.headers)).toEqual(["content-type"]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("sends newlines while a model loads, and its header before the first", async () => {
    await using host = await startHost({ agent: { limits: { keepAliveMs: 20 } }, model: { loadMs: 400 } });
    const leg = await host.send({});
    expect(await leg.firstBytes()).toMatch(/^\n+$/);
    const { keepAlives, head } = takeApart((await leg.read()).text);
    expect(keepAlives).toBeGreaterThan(1);
    expect(head.status).toBe(200);
  });

  it("says in the head line that Ollama is not there, and heartbeats say so before their turn", async () => {
    await using host = await startHost();
    await host.ollama.setFault({ kind: "refuse" });
    const from = host.edge.beats.length;
    const { head, body } = takeApart((await (await host.send({ claims: { leaseId: "l" } })).read()).text);
    expect(head).toEqual({ status: 502, headers: {}, failure: "ollama: ECONNREFUSED" });
    expect(body).toBe("");
    const down = await host.edge.beat((beat) => beat.backend === "down", from);
    expect(down).toMatchObject({ ollamaVersion: "", running: [], models: [{ name: "tiny:latest" }] });
    await host.edge.beat((beat) => beat.finished.some(({ id, outcome }) => id === "l" && outcome === "failed"), from);
    await host.ollama.clearFaults();
    await host.edge.beat((beat) => beat.backend === "up");
  });

  it("says in the head line that Ollama died before its header", async () => {
    await using host = await startHost();
    for (const fault of [{ kind: "reset" }, { kind: "die", atToken: 0 }] as const) {
      await host.ollama.setFault({ ...fault, times: 1 });
      const { text, whole } = await (await host.send({})).read();
      expect(whole).toBe(true);
      expect(takeApart(text).head).toMatchObject({ status: 502, failure: expect.stringContaining("ollama: ") });
    }
  });

  it("breaks the connection after whole records when Ollama dies in the middle", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 500 } });
    for (const path of ["/api/chat", "/v1/chat/completions"]) {
      await host.ollama.setFault({ kind: "die", atToken: 5, times: 1 });
      const leaseId = `dies${path}`;
      const leg = await host.send({ path, body: { ...CHAT, stream: true }, claims: { leaseId } });
      const { text, whole } = await leg.read();
      expect(whole).toBe(false);
      const { head, body } = takeApart(text);
      expect(head.status).toBe(200);
      expect(body.endsWith(path === "/api/chat" ? "}\n" : "}\n\n")).toBe(true);
      await host.edge.beat(
        (beat) => beat.finished.some(({ id, outcome }) => id === leaseId && outcome === "failed"),
        0,
      );
    }
  });

  it.each([
    { type: "application/x-ndjson", sent: ['{"a":1}\n{"b', '":2}\n{"half":'], kept: '{"a":1}\n{"b":2}\n' },
    { type: "text/event-stream", sent: ["data: 1\n", "\ndata: 2\n\nda", "ta: half\n"], kept: "data: 1\n\ndata: 2\n\n" },
  ])("keeps back half a record of $type when Ollama's connection breaks", async ({ type, sent, kept }) => {
    const dying = createServer((_request, response) => {
      response.writeHead(200, { "content-type": type });
      const writeNext = (at: number): void => {
        const chunk = sent[at];
        if (chunk === undefined) response.socket?.end();
        else response.write(chunk, () => setImmediate(() => writeNext(at + 1)));
      };
      writeNext(0);
    });
    await new Promise<void>((resolve) => dying.listen(0, "127.0.0.1", resolve));
    const address = dying.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await using host = await startHost({ agent: { ollamaUrl: `http://127.0.0.1:${port}` } });
    const { text, whole } = await (await host.send({})).read();
    dying.closeAllConnections();
    dying.close();
    expect(whole).toBe(false);
    expect(takeApart(text).body).toBe(kept);
  });

  it("passes an error of Ollama's own on as it is and reports it as failed", async () => {
    await using host = await startHost();
    await host.ollama.setFault({ kind: "crash", atToken: 3, times: 1 });
    const { text, whole } = await (await host.send({ claims: { leaseId: "crashes" } })).read();
    expect(whole).toBe(true);
    expect(takeApart(text).body).toContain('{"error":');
    const beat = await host.edge.beat(({ finished }) => finished.length > 0, 0);
    expect(beat.finished[0]).toMatchObject({ id: "crashes", outcome: "failed" });
  });

  it.each([
    { phase: "while the model loads", model: { loadMs: 60_000 }, waitsForBytes: false },
    { phase: "before the first token", model: { prefillTokensPerSecond: 0.01 }, waitsForBytes: false },
    { phase: "in the middle of the answer", model: { decodeTokensPerSecond: 10 }, waitsForBytes: true },
  ])("frees Ollama's slot when the edge leaves $phase", async ({ model, waitsForBytes }) => {
    await using host = await startHost({ model });
    const leg = await host.send({ claims: { leaseId: "left" } });
    if (waitsForBytes) await leg.firstBytes();
    await until("Ollama has the request", () => chats(host.ollama.requests).length === 1);
    const from = host.edge.beats.length;
    leg.request.destroy();
    await until("Ollama's client is gone", () => host.ollama.requests.some((request) => request.closedByClient));
    const beat = await host.edge.beat(({ finished }) => finished.length > 0, from);
    expect(beat.finished[0]).toMatchObject({ id: "left", outcome: "cancelled" });
    expect(beat.active).toEqual([]);
  });

  it("gives up at the deadline and says so", async () => {
    await using host = await startHost({ model: { loadMs: 60_000 } });
    const leg = await host.send({ claims: { deadlineAt: Date.now() + 100 } });
    expect(takeApart((await leg.read()).text).head).toMatchObject({ status: 504, code: "deadline" });
  });
});
