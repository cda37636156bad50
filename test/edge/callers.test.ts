// Who is let in, and what that costs: guessing, tokens of other issuers, and answers that tell nothing.
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { addressOf, blockedFor, noteFailure } from "../../src/edge/caller/failed-attempts.ts";
import { ORIGIN, startEdge } from "./edge.ts";

afterEach(() => void vi.unstubAllGlobals());

const ISSUER = "https://team.cloudflareaccess.com";
const HEADER = "cf-access-jwt-assertion";

describe("guessing [T18]", () => {
  it("is answered in the same words whatever is wrong, and with 429 from the 120th failure in a minute on", async () => {
    const edge = await startEdge();
    const good = await edge.client();
    const seen = new Set<string>();
    let status = 0;
    for (let time = 0; time < 120; time += 1) {
      const token =
        [`${good.slice(0, -8)}AAAAAAA${String(time % 10)}`, "ollama", "a.b.c", "x".repeat(5_000)][time % 4] ?? "";
      const response = await edge.call("/hive/v1/fleet", { token, from: "198.51.100.1" });
      seen.add(`${String(response.status)} ${await response.text()}`);
      status = response.status;
    }
    expect([status, seen.size]).toEqual([401, 1]);
    const blocked = await edge.call("/hive/v1/fleet", { token: "a.b.c", from: "198.51.100.1" });
    expect([blocked.status, Number(blocked.headers.get("retry-after")) > 0]).toEqual([429, true]);
    expect((await edge.call("/api/tags", { token: good, from: "198.51.100.1" })).status).toBe(429);
    expect((await edge.call("/api/tags", { token: good, from: "198.51.100.2" })).status).toBe(200);
    // Known by now, it costs no signature: whoever shares the address goes on.
    expect((await edge.call("/api/tags", { token: good, from: "198.51.100.1" })).status).toBe(200);
  });

  it("of hosts' tokens is limited for each host apart", async () => {
    const edge = await startEdge();
    const beat = async (id: string) =>
      (
        await edge.call(`/hive/v1/hosts/${id}/heartbeat`, {
          method: "POST",
          token: "a.b.c",
          body: "{}",
          from: "198.51.100.9",
        })
      ).status;
    for (let time = 0; time < 120; time += 1) expect(await beat("one")).toBe(401);
    expect([await beat("one"), await beat("two")]).toEqual([429, 401]);
  });

  it("of hosts' tokens begins no count anew with every made-up id, nor without a token, nor with what is no JSON [T21]", async () => {
    const edge = await startEdge();
    const knock = async (
      id: string,
      init: { readonly token?: string; readonly body: string },
      from = "198.51.100.10",
    ) => (await edge.call(`/hive/v1/hosts/${id}/heartbeat`, { method: "POST", from, ...init })).status;
    const tries = [{ token: "a.b.c", body: "{}" }, { body: "{}" }, { token: "a.b.c", body: "[" }];
    const statuses = new Set<number>();
    for (let time = 0; time < 1_200; time += 1)
      statuses.add(await knock(`made-up-${String(time)}`, tries[time % 3] ?? { body: "" }));
    expect(statuses).toEqual(new Set([400, 401]));
    expect(await knock("made-up-next", { body: "{}" })).toBe(429);
    expect(await knock("made-up-next", { body: "{}" }, "198.51.100.11")).toBe(401);
  }, 30_000);

  it("is counted by what the runtime saw, else by Cloudflare's word, IPv6 by its network", () => {
    const request = (headers: Record<string, string>, clientIp?: string) =>
      new Request("https://hive.example.com", {
        headers,
        ...(clientIp === undefined ? {} : { cf: { clientIp } as never }),
      });
    const spoofed = { "cf-connecting-ip": "203.0.113.1", "x-forwarded-for": "203.0.113.2" };
    expect(addressOf(request(spoofed, "192.0.2.7:51234"))).toBe("192.0.2.7");
    expect(addressOf(request(spoofed))).toBe("203.0.113.1");
    const networks = ["[2001:db8:1:2::9]:443", "[2001:DB8:1:2:ffff:1:2:3]:1"].map((ip) => addressOf(request({}, ip)));
    expect(networks).toEqual(["2001:db8:1:2", "2001:db8:1:2"]);
    expect(addressOf(request({ "cf-connecting-ip": "2001:db8::1" }))).toBe("2001:db8:0:0");
  });

  it("is forgotten after a minute, and never fills the memory", () => {
    for (let time = 0; time < 120; time += 1) noteFailure("a", 1_000);
    expect([blockedFor("a", 1_000), blockedFor("a", 60_999), blockedFor("a", 61_000)]).toEqual([60, 1, undefined]);
    for (let index = 0; index < 30_000; index += 1) noteFailure(`address-${String(index)}`, 2_000);
    expect(blockedFor("a", 2_000)).toBeUndefined();
  });
});

describe("Cloudflare Access [T13 T16]", () => {
  it("lets in whom its assertion names, in its own header alone, and asks for keys once for 500 unknown ids", async () => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256", use: "sig" };
    let fetches = 0;
    vi.stubGlobal("fetch", async () => {
      fetches += 1;
      return await Promise.resolve(Response.json({ keys: [jwk] }));
    });
    const trusted = {
      issuer: ISSUER,
      audience: "tag",
      jwks: `${ISSUER}/cdn-cgi/access/certs`,
      header: HEADER,
      tenant: "email",
    };
    const edge = await startEdge({
      TRUSTED_ISSUERS: JSON.stringify([{ ...trusted, role: { claim: "groups", admin: ["ops"] } }]),
    });
    const now = Math.floor(Date.now() / 1000);
    const sign = async (claims: object = {}, kid = "k1") =>
      await new SignJWT({ iss: ISSUER, aud: ["tag"], email: "ann@example.com", iat: now, exp: now + 600, ...claims })
        .setProtectedHeader({ alg: "RS256", kid })
        .sign(privateKey);
    const status = async (path: string, headers: Record<string, string>, from = "192.0.2.50") =>
      (await edge.call(path, { headers, from })).status;

    const client = await sign();
    expect(await status("/api/tags", { [HEADER]: client })).toBe(200);
    expect(await status("/hive/v1/fleet", { [HEADER]: client })).toBe(403);
    expect(await status("/hive/v1/fleet", { [HEADER]: await sign({ groups: ["ops"] }) })).toBe(200);
    expect(await status("/api/tags", { authorization: `Bearer ${client}` })).toBe(401);
    expect(await status("/api/tags", { authorization: `Bearer ${await sign({ jti: "other" })}` })).toBe(401);
    expect(await status("/api/tags", { [HEADER]: await edge.client() })).toBe(401);
    expect(await status("/api/tags", { [HEADER]: await sign({ aud: ["other"] }) })).toBe(401);
    expect(fetches).toBe(1);
    const flood = Array.from(
      { length: 500 },
      async (_, index) =>
        await status(
          "/api/tags",
          { [HEADER]: await sign({}, `made-up-${String(index)}`) },
          `192.0.2.${String(index % 200)}`,
        ),
    );
    expect((await Promise.all(flood)).every((each) => each === 401)).toBe(true);
    expect(fetches).toBeLessThanOrEqual(2);
  });

  it("speaks for nobody whose browser another page made send it, also where every page may call [T26]", async () => {
    const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "RS256", use: "sig" };
    vi.stubGlobal("fetch", async () => await Promise.resolve(Response.json({ keys: [jwk] })));
    const edge = await startEdge({
      ALLOWED_ORIGINS: "*, https://ops.example.com",
      TRUSTED_ISSUERS: JSON.stringify([
        { issuer: ISSUER, audience: "tag", jwks: `${ISSUER}/c`, header: HEADER, role: { claim: "g", admin: ["ops"] } },
      ]),
    });
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT({ iss: ISSUER, aud: ["tag"], sub: "ann", g: "ops", iat: now, exp: now + 600 })
      .setProtectedHeader({ alg: "RS256", kid: "k1" })
      .sign(privateKey);
    const statusFrom = async (headers: Record<string, string>) =>
      (await edge.call("/hive/v1/hosts/h9/drain", { method: "POST", headers: { [HEADER]: assertion, ...headers } }))
        .status;
    expect(await statusFrom({})).toBe(404);
    expect(await statusFrom({ origin: ORIGIN })).toBe(404);
    expect(await statusFrom({ origin: "https://ops.example.com" })).toBe(404);
    for (const origin of ["https://evil.example", "http://localhost:3000", "null"])
      expect([origin, await statusFrom({ origin })]).toEqual([origin, 401]);
    // What a page knows itself is no cookie.
    const authorization = `Bearer ${await edge.admin()}`;
    expect(await statusFrom({ origin: "https://evil.example", authorization })).toBe(404);
  });

  it("reads no more of a key set than any has, however much an issuer sends [T16 T21]", async () => {
    let sentBytes = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sentBytes += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    vi.stubGlobal("fetch", async () => await Promise.resolve(new Response(endless)));
    const issuer = { issuer: ISSUER, audience: "tag", jwks: `${ISSUER}/c` };
    const edge = await startEdge({ TRUSTED_ISSUERS: JSON.stringify([issuer]) });
    const { privateKey } = await generateKeyPair("RS256");
    const token = await new SignJWT({ iss: ISSUER }).setProtectedHeader({ alg: "RS256", kid: "k" }).sign(privateKey);
    expect((await edge.call("/api/tags", { token, from: "192.0.2.251" })).status).toBe(401);
    expect(sentBytes).toBeLessThan(2_000_000);
  });

  it("is not trusted for keys over plain http, nor under this Hive's own name", async () => {
    for (const issuer of [
      { issuer: ISSUER, audience: "tag", jwks: "http://team.example/certs" },
      { issuer: "hive", audience: "hive:edge", jwks: `${ISSUER}/certs` },
    ]) {
      const edge = await startEdge({ TRUSTED_ISSUERS: JSON.stringify([issuer]) });
      expect((await edge.call("/api/tags", { token: await edge.client() })).status).toBe(500);
    }
  });
});

describe("a page of somebody else [T26]", () => {
  it("can neither read nor change anything, and an answer can be neither framed, sniffed nor scripted", async () => {
    const edge = await startEdge();
    const token = await edge.admin();
    for (const origin of [
      "https://evil.example",
      "null",
      "https://hive.example.com.evil.example",
      "http://localhost.evil.example",
    ]) {
      const response = await edge.call("/hive/v1/hosts/h1/drain", { method: "POST", token, headers: { origin } });
      expect([origin, response.status, response.headers.get("access-control-allow-origin")]).toEqual([
        origin,
        403,
        null,
      ]);
    }
    const answer = await edge.call("/hive/v1/fleet", { token });
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
    const allowed = await edge.call("/api/tags", { token, headers: { origin: "http://localhost:3000" } });
    expect(allowed.headers.get("access-control-allow-credentials")).toBeNull();
  });
});
