// Hosts that lie: about who they are, where they are, and in what they answer.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { answerLeg, startEvilHost } from "../support/evil-host.ts";
import type { EvilHost } from "../support/evil-host.ts";
import { eventually, readKeys, startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

let fleet: TestFleet;
let evil: EvilHost;

beforeEach(async () => {
  // The hostile host sends heartbeats only when told to: it must live from one to the next.
  fleet = await startFleet({ QUEUE_TIMEOUT: "1s", HEARTBEAT_INTERVAL: "5s" });
  evil = await startEvilHost(fleet.url, "evil", "bait");
});
afterEach(async () => {
  await evil.close();
  await fleet.close();
});

async function invite(hostId: string, url: string): Promise<string> {
  const invitation = { hostId, url, pool: "default", region: "any" };
  return await issueJoinToken(await readKeys(fleet.stateDir), invitation, { issuer: "hive", now: Date.now() });
}

async function joinAndProve(): Promise<void> {
  expect((await evil.join(await invite("evil", evil.url))).status).toBe(200);
  await evil.beat();
  await eventually("it has proven itself", async () => !(await fleet.host("evil")).unproven);
}

async function chat(body: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${fleet.url}/api/chat`, {
    method: "POST",
    headers: { authorization: `Bearer ${fleet.token}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "bait", messages: [{ role: "user", content: "hi" }], stream: false, ...body }),
    redirect: "manual",
  });
}

describe("a host that joins [T3 T4]", () => {
  it("needs an invite that was not used, for its own id, and cannot choose its address", async () => {
    const token = await invite("evil", evil.url);
    expect((await evil.join(`${token.slice(0, -4)}AAAA`)).status).toBe(401);
    expect((await evil.join(fleet.token)).status).toBe(401);
    expect((await evil.join(token)).status).toBe(200);
    expect((await evil.join(token)).status).toBe(409);
    for (const url of ["http://127.0.0.1:1@evil.net", "https://169.254.169.254", "http://10.0.0.1:80"]) {
      const bad = await invite("evil", url).catch(() => undefined);
      if (bad !== undefined) expect((await evil.join(bad)).status, url).toBe(403);
    }
    expect((await fleet.host("evil")).url).toBe(evil.url);
  });

  it("cannot speak for another host, with its own key or under its own name", async () => {
    await fleet.addHost("good", { models: [simulatedModel({ name: "llama3.2" })] });
    await joinAndProve();
    expect((await evil.beat({}, "good")).status).toBe(401);
    expect((await fleet.host("good")).models.map(({ name }) => name)).toEqual(["llama3.2:latest"]);
    const forged = { authorization: `Bearer ${fleet.token}` };
    const url = `${fleet.url}/hive/v1/hosts/good/heartbeat`;
    expect((await fetch(url, { method: "POST", headers: forged, body: "{}" })).status).toBe(401);
  });

  it("gets no request while its address leads to somebody else, and what it lists is not offered [T7]", async () => {
    evil.answersChallenges = false;
    expect((await evil.join(await invite("evil", evil.url))).status).toBe(200);
    for (let beat = 0; beat < 3; beat += 1) expect((await evil.beat()).status).toBe(200);
    expect(await fleet.host("evil")).toMatchObject({ unproven: true });
    const tags = await fetch(`${fleet.url}/api/tags`, { headers: { authorization: `Bearer ${fleet.token}` } });
    expect(await tags.json()).toEqual({ models: [] });
    expect((await chat()).status).toBeGreaterThanOrEqual(500);
    expect(evil.received).toEqual([]);
    evil.answersChallenges = true;
    await evil.beat();
    await eventually("it has proven itself", async () => !(await fleet.host("evil")).unproven);
  });
});

describe("a captured heartbeat [T5]", () => {
  it("is refused when it comes again, with another body, or under another run", async () => {
    await joinAndProve();
    const before = await fleet.host("evil");
    expect((await evil.beat({ sequence: 1 })).status).toBe(409);
    expect((await evil.beat({ sequence: 2, memory: "another" })).status).toBe(409);
    expect((await fleet.host("evil")).runId).toBe(before.runId);
  });
});

describe("what a host answers", () => {
  const json = { "content-type": "application/json; charset=utf-8" };

  it("sets no header at a client: no cookie, redirect, CORS, HSTS, nor anything else [T10]", async () => {
    await joinAndProve();
    evil.answer = (response) => {
      response.setHeader("set-cookie", "outer=1");
      response.setHeader("strict-transport-security", "max-age=1");
      const hostile = {
        "set-cookie": "hive=stolen",
        location: "https://evil.net",
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=1",
        "content-security-policy": "x",
        "clear-site-data": '"*"',
        "www-authenticate": "Basic",
        "hive-host": "good",
        refresh: "0;url=https://evil.net",
        link: "<https://evil.net>; rel=preload",
      };
      answerLeg(response, { status: 200, headers: { ...json, ...hostile } }, '{"done":true}');
    };
    const response = await chat();
    expect([response.status, response.headers.get("hive-host")]).toEqual([200, "evil"]);
    const known = ["cache-control", "connection", "content-length", "content-type", "date", "transfer-encoding"];
    const names = [...response.headers.keys()].filter((name) => !known.includes(name) && !name.startsWith("hive-"));
    expect(
      names.filter((name) => !["content-security-policy", "x-content-type-options", "referrer-policy"].includes(name)),
    ).toEqual([]);
  });

  it("is no redirect: neither followed by the edge nor given to the client [T7 T10]", async () => {
    await joinAndProve();
    let followed = 0;
    evil.answer = (response) => {
      followed += 1;
      if (followed === 1) response.writeHead(302, { location: `${evil.url}/internal` }).end();
      else answerLeg(response, { status: 302, headers: { ...json, location: "https://evil.net" } }, "{}");
    };
    const response = await chat();
    expect(response.headers.get("location")).toBeNull();
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(evil.received).toHaveLength(1);
  });

  it.each<[string, (response: Parameters<EvilHost["answer"]>[0]) => void]>([
    [
      "HTML where JSON was asked for",
      (r) => answerLeg(r, { status: 200, headers: { "content-type": "text/html" } }, "<script>1</script>"),
    ],
    [
      "a media type with a line break",
      (r) => answerLeg(r, { status: 200, headers: { "content-type": "text/html\r\nset-cookie: a=1" } }, "x"),
    ],
    [
      "a media type with NUL",
      (r) => answerLeg(r, { status: 200, headers: { "content-type": "application/json\u0000" } }, "x"),
    ],
  ])("is plain bytes when it is %s [T10 T12]", async (_, answer) => {
    await joinAndProve();
    evil.answer = answer;
    const response = await chat();
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("set-cookie")).toBeNull();
  });

  it.each<[string, (response: Parameters<EvilHost["answer"]>[0]) => void]>([
    [
      "a head line without end",
      (r) => r.writeHead(200, { "content-type": "text/event-stream" }).end("x".repeat(200_000)),
    ],
    ["a head line that is no JSON", (r) => r.writeHead(200, { "content-type": "text/event-stream" }).end("{]\nx")],
    ["a status that is none", (r) => answerLeg(r, { status: 99, headers: json }, "{}")],
    ["no head at all", (r) => r.writeHead(200, { "content-type": "text/event-stream" }).end()],
    [
      "a compressed leg",
      (r) =>
        r.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" }).end("\u001f\u008bxxxx"),
    ],
    [
      "less than it declared",
      (r) => answerLeg(r, { status: 200, headers: { ...json, "content-length": "1000" } }, "{}"),
    ],
    ["another media type on the leg", (r) => r.writeHead(200, { "content-type": "text/html" }).end("<b>x</b>")],
    ["a broken connection", (r) => r.destroy()],
  ])("is a failed attempt, never half an answer, when it is %s [T11]", async (_, answer) => {
    await joinAndProve();
    evil.answer = answer;
    const response = await chat();
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(Object.keys((await response.json()) as object)).toEqual(["error"]);
  });

  it("is given up at 64 MB where one document is awaited [T11]", async () => {
    await joinAndProve();
    let sentBytes = 0;
    evil.answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`${JSON.stringify({ status: 200, headers: json })}\n`);
      const chunk = Buffer.alloc(1_000_000, "[");
      const push = (): void => {
        while (!response.destroyed && sentBytes < 400_000_000) {
          sentBytes += chunk.byteLength;
          if (!response.write(chunk)) return void response.once("drain", push);
        }
      };
      push();
    };
    expect((await chat()).status).toBeGreaterThanOrEqual(500);
    expect(sentBytes).toBeLessThan(200_000_000);
  });

  it("never names its address, nor a trace of the edge's code, to the client [T30]", async () => {
    await joinAndProve();
    evil.answer = (response) => response.destroy();
    const response = await chat();
    const text = await response.text();
    expect(text).not.toMatch(/127\.0\.0\.1|\.ts:\d|\bat \w+|hosts\.example/);
    await evil.close();
    const gone = await (await chat()).text();
    expect(gone).not.toMatch(/127\.0\.0\.1|\.ts:\d|ECONNREFUSED/);
  });
});

describe("what a host is sent [T8 T9]", () => {
  it("is built from an allowlist, whatever the client put into its headers and its query", async () => {
    await joinAndProve();
    evil.answer = (response) =>
      answerLeg(response, { status: 200, headers: { "content-type": "application/json" } }, "{}");
    const hostile = {
      "x-forwarded-for": "1.2.3.4",
      "x-forwarded-host": "evil.net",
      forwarded: "for=1.2.3.4",
      "x-original-url": "/admin",
      "x-rewrite-url": "/admin",
      "cf-connecting-ip": "1.2.3.4",
      "cf-access-client-secret": "canary-secret",
      "x-api-key": "canary-secret",
      cookie: "session=canary-secret",
      origin: "http://localhost",
      referer: "http://canary-secret",
      "proxy-authorization": "canary-secret",
      "hive-edge-token": "canary-secret",
      te: "trailers",
      "hive-request-id": "canary-secret",
      "accept-encoding": "gzip",
      traceparent: "canary-secret",
    };
    const response = await fetch(`${fleet.url}/api/chat?token=canary-secret`, {
      method: "POST",
      headers: { authorization: `Bearer ${fleet.token}`, ...hostile },
      body: '{"model":"bait","messages":[],"stream":false}',
    });
    expect(response.status).toBe(200);
    const [seen] = evil.received;
    const names = Object.keys(seen?.headers ?? {}).toSorted();
    const allowed = [
      "accept-encoding",
      "content-length",
      "content-type",
      "hive-edge-token",
      "hive-request-id",
      "host",
      "user-agent",
    ];
    expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
    expect(seen?.headers["accept-encoding"]).toBe("identity");
    expect(JSON.stringify(seen)).not.toContain("canary-secret");
    expect(JSON.stringify(seen)).not.toContain(fleet.token);
    expect(JSON.stringify(seen)).not.toContain("tester");
  });
});
