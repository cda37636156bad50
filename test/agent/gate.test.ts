// What the agent tells strangers (nothing, always in the same bytes), and what it takes from the edge, once.
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { verifyHostToken } from "../../src/auth/host-token.ts";
import { LEG_TOKEN_HEADER } from "../../src/wire/leg.ts";
import { CHAT, sendRaw, startHost, until } from "./fixture.ts";

const EMPTY_401 = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

describe("the gate", () => {
  it("answers everything unproven with the same bytes [T1 T2 T24]", async () => {
    await using host = await startHost();
    const { edge, agent } = host;
    const text = JSON.stringify(CHAT);
    const body = Buffer.from(text);
    const good = await edge.sign({ body });
    const post = (token: string, path = "/api/chat", sent = text, method = "POST") =>
      `${method} ${path} HTTP/1.1\r\nHost: x\r\n${LEG_TOKEN_HEADER}: ${token}\r\ncontent-length: ${sent.length}\r\n\r\n${sent}`;
    const spent = await edge.sign({ body });
    await sendRaw(agent.port, post(spent).replace("Host: x", "Host: x\r\nConnection: close"));

    const attempts: Record<string, string> = {
      "no token": "POST /api/chat HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n",
      root: "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "a preflight": "OPTIONS /api/chat HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\n\r\n",
      "no Host": "GET / HTTP/1.1\r\n\r\n",
      "not HTTP": "hello\r\n\r\n",
      "a tunnel": "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
      "an upgrade": "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      "an expectation": "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
      "an odd expectation": "POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\ncontent-length: 0\r\n\r\n",
      "long headers": `GET / HTTP/1.1\r\nHost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
      garbage: post("a.b.c"),
      "another signature": post(`${good.slice(0, -8)}AAAAAAAA`),
      "another body": post(await edge.sign({ body }), "/api/chat", text.replace("hello", "jello")),
      "another path": post(await edge.sign({ body }), "/api/generate"),
      "a query": post(await edge.sign({ body }), "/api/chat?x=1"),
      "another method": post(await edge.sign({ body }), "/api/chat", text, "PUT"),
      "a method in the token": post(await edge.sign({ body, method: "DELETE" })),
      "a path outside the list": post(await edge.sign({ body, path: "/api/delete" }), "/api/delete"),
      "a path with dots": post(await edge.sign({ body, path: "/api/chat/../tags" }), "/api/chat/../tags"),
      "a token that was used": post(spent),
    };
    for (const [name, bytes] of Object.entries(attempts)) {
      expect(await sendRaw(agent.port, bytes), name).toBe(EMPTY_401);
    }
    expect(host.ollama.requests.filter((request) => request.url === "/api/chat")).toHaveLength(1);
  });

  it("refuses tokens that are expired, of the future, or for another host or issuer [T2]", async () => {
    await using host = await startHost();
    const { edge } = host;
    for (const offsetMs of [-70_000, 70_000]) {
      edge.clockOffsetMs = offsetMs;
      const body = Buffer.from(JSON.stringify(CHAT));
      const token = await edge.sign({ body });
      edge.clockOffsetMs = 0;
      const leg = await host.send({ headers: { [LEG_TOKEN_HEADER]: token } });
      expect(leg.status).toBe(401);
    }
    expect((await host.send({ claims: { hostId: "other" } })).status).toBe(401);
  });

  it("takes a token once, however many come at the same time [T2]", async () => {
    await using host = await startHost();
    const token = await host.edge.sign({ body: Buffer.from(JSON.stringify(CHAT)) });
    const legs = await Promise.all([1, 2, 3, 4].map(() => host.send({ headers: { [LEG_TOKEN_HEADER]: token } })));
    expect(legs.map((leg) => leg.status).toSorted((a, b) => a - b)).toEqual([200, 401, 401, 401]);
    await Promise.all(legs.map((leg) => leg.read()));
  });

  it("answers 421 to a token for an earlier run [T6]", async () => {
    await using host = await startHost();
    const leg = await host.send({ claims: { runId: "an-earlier-run" } });
    expect([leg.status, (await leg.read()).text]).toEqual([421, ""]);
  });

  it("answers 503 when its slots are taken, and works again when one is free", async () => {
    await using host = await startHost({ agent: { slots: 1 }, model: { decodeTokensPerSecond: 20 } });
    const first = await host.send({});
    await first.firstBytes();
    const second = await host.send({});
    expect([second.status, (await second.read()).text]).toEqual([503, ""]);
    const show = await host.send({ path: "/api/show", body: { model: "tiny" } });
    expect(show.status).toBe(200);
    await show.read();
    const from = host.edge.beats.length;
    first.request.destroy();
    await host.edge.beat((beat) => beat.active.length === 0, from);
    const third = await host.send({ body: { ...CHAT, options: { num_predict: 1 } } });
    expect(third.status).toBe(200);
    await third.read();
  });

  it("frees the slot of a request whose body breaks off", async () => {
    await using host = await startHost({ agent: { slots: 1 } });
    const token = await host.edge.sign({ body: Buffer.from("never whole"), leaseId: "half" });
    const socket = connect(host.agent.port, "127.0.0.1");
    socket.write(
      `POST /api/chat HTTP/1.1\r\nHost: x\r\n${LEG_TOKEN_HEADER}: ${token}\r\ncontent-length: 11\r\n\r\nnev`,
    );
    await host.edge.beat((beat) => beat.active.some(({ id }) => id === "half"));
    socket.destroy();
    const beat = await host.edge.beat(({ finished }) => finished.length > 0);
    expect(beat).toMatchObject({ active: [], finished: [{ id: "half", outcome: "cancelled" }] });
    expect(host.ollama.requests.some(({ url }) => url === "/api/chat")).toBe(false);
  });

  it("judges no Host header: the token is what counts [T1]", async () => {
    await using host = await startHost();
    const leg = await host.send({ headers: { host: "rebound.evil.example:80", origin: "http://evil.example" } });
    expect(leg.status).toBe(200);
    await leg.read();
    expect(host.ollama.requests.at(-1)?.status).toBe(200);
  });

  it("ends a lease on the edge's word and answers 204", async () => {
    await using host = await startHost({ model: { decodeTokensPerSecond: 20 } });
    const leg = await host.send({ claims: { leaseId: "unwanted" } });
    await leg.firstBytes();
    const cancel = await host.send({
      path: "/hive/v1/cancel",
      body: "",
      claims: { leaseId: "unwanted", attempt: 2 },
    });
    expect(cancel.status).toBe(204);
    expect((await leg.read()).whole).toBe(false);
    await until("Ollama's slot is free", () => host.ollama.requests.some((request) => request.closedByClient));
  });

  it("signs what a challenge asks with the host's own key, for a token of the edge alone [T3 T7]", async () => {
    await using host = await startHost();
    const nonce = "nonce-of-the-edge";
    const leg = await host.send({ path: "/hive/v1/challenge", body: nonce });
    const { proof } = JSON.parse((await leg.read()).text) as { proof: string };
    const signingKey = host.edge.joins.at(-1)?.signingKey ?? expect.fail("no join");
    const verified = await verifyHostToken(signingKey, proof, { hostId: "beehost", issuer: "hive", now: Date.now() });
    const digest = await sha256Base64Url(Buffer.from(`hive challenge ${nonce}`));
    expect(verified).toMatchObject({ ok: true, value: { bodySha256: digest, runId: host.edge.beats.at(-1)?.runId } });
    const stranger = await host.send({ path: "/hive/v1/challenge", body: nonce, headers: { [LEG_TOKEN_HEADER]: "x" } });
    expect([stranger.status, (await stranger.read()).text]).toEqual([401, ""]);
    expect((await host.send({ path: "/hive/v1/challenge", claims: { runId: "another-run" } })).status).toBe(421);
  });
});
