// Tokens of other issuers, and their keys: rotated with overlap, withdrawn, flooded with unknown ids, and out of reach.
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { CryptoKey, JWK } from "jose";
import { describe, expect, it } from "vitest";
import { RemoteKeys } from "../../src/auth/remote-keys.ts";
import { issuerOf, verifyTrustedToken } from "../../src/auth/trusted-token.ts";
import { trustedIssuersSetting } from "../../src/wire/trusted-issuers.ts";
import { hiveKeys, NOW, NOW_SECONDS } from "./fixture.ts";
import { encode, takeApart } from "./forged-tokens.ts";

const ISSUER = "https://team.cloudflareaccess.com";
const AUDIENCE = "app-tag";

interface Pair {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

async function makePair(kid: string, alg = "ES256"): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

const [first, second, stranger] = [await makePair("k1"), await makePair("k2"), await makePair("k1")];

async function sign(pair: Pair, claims: object = {}, header: object = {}): Promise<string> {
  const payload = {
    iss: ISSUER,
    aud: [AUDIENCE],
    sub: "u1",
    email: "ann@example.com",
    iat: NOW_SECONDS,
    exp: NOW_SECONDS + 600,
  };
  return await new SignJWT({ ...payload, ...claims })
    .setProtectedHeader({ alg: pair.jwk.alg ?? "", kid: pair.kid, typ: "JWT", ...header })
    .sign(pair.privateKey);
}

/** An issuer's key server, with a clock that a test sets. */
function keyServer(...published: Pair[]) {
  const server = {
    now: NOW,
    published,
    fetches: 0,
    isDown: false,
    keys: undefined as unknown as RemoteKeys,
  };
  server.keys = new RemoteKeys({
    fetchSet: async () => {
      server.fetches += 1;
      await Promise.resolve();
      if (server.isDown) throw new Error("down");
      return { keys: server.published.map(({ jwk }) => jwk) };
    },
    clock: () => server.now,
    sleep: async () => await new Promise((resolve) => setImmediate(resolve)),
  });
  return server;
}

const [trusted] = trustedIssuersSetting.parse(
  JSON.stringify([
    {
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: `${ISSUER}/cdn-cgi/access/certs`,
      tenant: "email",
      role: { claim: "groups", admin: ["ops"], manage: ["ml"] },
      models: "models",
    },
  ]),
);
if (trusted === undefined) throw new Error("no issuer");
const verify = async (server: ReturnType<typeof keyServer>, token: string) =>
  await verifyTrustedToken(trusted, server.keys, token, server.now);

describe("a token of a trusted issuer [T13 T14]", () => {
  it("means what the operator says its claims mean", async () => {
    const server = keyServer(first);
    const token = await sign(first, { models: ["llama*"], groups: ["ml", "x"], jti: "j1" });
    expect(issuerOf(token)).toBe(ISSUER);
    expect(await verify(server, token)).toEqual({
      ok: true,
      value: {
        role: "client",
        scopes: ["inference", "manage"],
        tokenId: "team.cloudflareaccess.com/j1",
        tenant: "team.cloudflareaccess.com/ann@example.com",
        models: ["llama*"],
        pool: "default",
        issuedAt: NOW_SECONDS * 1000,
        expiresAt: (NOW_SECONDS + 600) * 1000,
      },
    });
    expect(await verify(server, await sign(first, { groups: "ops" }))).toMatchObject({ value: { role: "admin" } });
    expect(await verify(server, await sign(first))).toMatchObject({ value: { role: "client", models: [] } });
  });

  it.each<[string, object, object?]>([
    ["another issuer", { iss: `${ISSUER}/` }],
    ["another audience", { aud: ["other"] }],
    ["no audience", { aud: undefined }],
    ["no tenant", { email: undefined }],
    ["a tenant that is no text", { email: ["a"] }],
    ["an empty tenant", { email: "" }],
    ["a tenant of 201 characters", { email: "a".repeat(201) }],
    ["an expiry long ago", { exp: NOW_SECONDS - 31 }],
    ["no expiry", { exp: undefined }],
    ["an issue to come", { iat: NOW_SECONDS + 31, exp: NOW_SECONDS + 60 }],
    ["no issue", { iat: undefined }],
    ["a life of more than a day", { exp: NOW_SECONDS + 86_401 }],
    ["nbf to come", { nbf: NOW_SECONDS + 60 }],
    ["no kid", {}, { kid: undefined }],
  ])("is refused with %s", async (_, claims, header) => {
    expect(await verify(keyServer(first), await sign(first, claims, header))).toMatchObject({ ok: false });
  });

  it("is refused when forged: unsigned, by a stranger under a known id, with the public key as secret, or with a key it brings", async () => {
    const server = keyServer(first);
    const { header, payload } = takeApart(await sign(first));
    const secret = new TextEncoder().encode(JSON.stringify(first.jwk));
    const forged = [
      `${encode(JSON.stringify({ ...header, alg: "none" }))}.${encode(JSON.stringify(payload))}.`,
      await sign(stranger),
      await sign(stranger, {}, { jwk: stranger.jwk }),
      await sign(stranger, {}, { jku: "https://evil.example/jwks" }),
      await new SignJWT(payload).setProtectedHeader({ alg: "HS256", kid: "k1" }).sign(secret),
      await new SignJWT(payload).setProtectedHeader({ alg: "EdDSA", kid: "k1" }).sign(hiveKeys.client.privateKey),
      (await sign(first)).slice(0, -6),
      `${await sign(first)}.x`,
      "a".repeat(20_000),
    ];
    // Sound, but longer than anything that is looked at.
    forged.push(await sign(first, { groups: "g".repeat(16_384) }));
    for (const token of forged) expect(await verify(server, token), token.slice(0, 40)).toMatchObject({ ok: false });
  });

  it("of one server that hosts the realms of many names nobody of another realm, whatever it calls him [T19]", async () => {
    const realms = ["a", "b"].map((name) => ({ ...trusted, issuer: `https://login.example.com/realms/${name}` }));
    expect(trustedIssuersSetting.safeParse(JSON.stringify(realms)).success).toBe(true);
    const tenants = new Set<string>();
    for (const realm of realms) {
      const token = await sign(first, { iss: realm.issuer, sub: "../b/ann" });
      const verified = await verifyTrustedToken({ ...realm, tenant: "email" }, keyServer(first).keys, token, NOW);
      expect(verified).toMatchObject({ ok: true });
      if (verified.ok) tenants.add(verified.value.tenant);
    }
    expect([...tenants]).toEqual(["a", "b"].map((name) => `login.example.com/realms/${name}/ann@example.com`));
  });

  it("has an id that an operator can write down to revoke it, however long its own is [T15]", async () => {
    const verified = await verify(keyServer(first), await sign(first, { jti: "j".repeat(2_000) }));
    expect(verified.ok && verified.value.tokenId.length).toBeLessThan(600);
  });

  it("is judged with RSA and Ed25519 too, never with a short RSA key or one for encryption", async () => {
    for (const alg of ["RS256", "EdDSA"]) {
      const pair = await makePair("k", alg);
      expect(await verify(keyServer(pair), await sign(pair)), alg).toMatchObject({ ok: true });
      expect(await verify(keyServer({ ...pair, jwk: { ...pair.jwk, use: "enc" } }), await sign(pair))).toMatchObject({
        ok: false,
      });
    }
    const { privateKey, publicKey } = await crypto.subtle.generateKey(
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 1024, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
      true,
      ["sign", "verify"],
    );
    const short = { kid: "s", privateKey, jwk: { ...(await exportJWK(publicKey)), kid: "s", alg: "RS256" } };
    expect(await isRefused(short)).toBe(true);
  });
});

async function isRefused(pair: Pair): Promise<boolean> {
  return (await keyServer(pair).keys.find(pair.kid)) === undefined;
}

describe("an issuer's keys [T16]", () => {
  it("rotate with overlap: the new key is found when it is first used, the old one as long as it is published", async () => {
    const server = keyServer(first);
    expect(await verify(server, await sign(first))).toMatchObject({ ok: true });
    server.published = [first, second];
    server.now += 31_000;
    expect(await verify(server, await sign(second))).toMatchObject({ ok: true });
    expect(await verify(server, await sign(first))).toMatchObject({ ok: true });
    server.published = [second];
    server.now += 11 * 60_000;
    const late = { iat: NOW_SECONDS + 600, exp: NOW_SECONDS + 1_200 };
    expect(await verify(server, await sign(first, late))).toMatchObject({ ok: false });
    expect(await verify(server, await sign(second, late))).toMatchObject({ ok: true });
    expect(server.fetches).toBe(3);
  });

  it("are fetched at most twice for 500 unknown ids, at once or one after the other", async () => {
    for (const atOnce of [true, false]) {
      const server = keyServer(first);
      const tokens = await Promise.all(
        Array.from({ length: 500 }, async (_, index) => await sign(first, {}, { kid: `made-up-${String(index)}` })),
      );
      const verified = atOnce ? await Promise.all(tokens.map(async (token) => await verify(server, token))) : [];
      if (!atOnce) for (const token of tokens) verified.push(await verify(server, token));
      expect(verified.every(({ ok }) => !ok)).toBe(true);
      expect(server.fetches).toBeLessThanOrEqual(2);
      expect(await verify(server, await sign(first))).toMatchObject({ ok: true });
    }
  });

  it("are fetched once for 500 good tokens that come at once to a cold isolate", async () => {
    const server = keyServer(first);
    const tokens = await Promise.all(Array.from({ length: 500 }, async () => await sign(first)));
    const verified = await Promise.all(tokens.map(async (token) => await verify(server, token)));
    expect([verified.every(({ ok }) => ok), server.fetches]).toEqual([true, 1]);
  });

  it("are kept while the issuer is down, for a day; without any nobody gets in and nothing hangs", async () => {
    const server = keyServer(first);
    await verify(server, await sign(first));
    server.isDown = true;
    server.now += 23 * 3_600_000;
    const at = (now: number) => ({ iat: Math.floor(now / 1000) - 10, exp: Math.floor(now / 1000) + 60 });
    expect(await verify(server, await sign(first, at(server.now)))).toMatchObject({ ok: true });
    server.now += 2 * 3_600_000;
    expect(await verify(server, await sign(first, at(server.now)))).toMatchObject({ ok: false });
    const cold = keyServer(first);
    cold.isDown = true;
    expect(await verify(cold, await sign(first))).toMatchObject({ ok: false });
    cold.isDown = false;
    cold.now += 31_000;
    expect(await verify(cold, await sign(first))).toMatchObject({ ok: true });
  });

  it("outlive an answer that is no key set", async () => {
    const server = keyServer(first);
    await verify(server, await sign(first));
    server.published = [];
    server.now += 11 * 60_000;
    const late = { iat: NOW_SECONDS + 600, exp: NOW_SECONDS + 1_200 };
    expect(await verify(server, await sign(first, late))).toMatchObject({ ok: true });
  });
});

describe("TRUSTED_ISSUERS [T13]", () => {
  it.each([
    ["no JSON", "{"],
    ["no list", "{}"],
    ["a row without a key set", '[{"issuer":"a","audience":"b"}]'],
    ["an unknown member", '[{"issuer":"a","audience":"b","jwks":"https://x.example","algorithms":["none"]}]'],
    ["an issuer twice", JSON.stringify([trusted, trusted])],
    ["an issuer twice, once with a slash", JSON.stringify([trusted, { ...trusted, issuer: `${ISSUER}/` }])],
    ["an issuer twice, once without TLS", JSON.stringify([trusted, { ...trusted, issuer: ISSUER.replace("s:", ":") }])],
    [
      "an issuer that could name another's tenants",
      JSON.stringify([trusted, { ...trusted, issuer: `${ISSUER}/realms/a` }]),
    ],
    ["keys from a file", '[{"issuer":"a","audience":"b","jwks":"file:///etc/passwd"}]'],
  ])("is refused: %s", (_, text) => {
    expect(trustedIssuersSetting.safeParse(text).success).toBe(false);
  });
});
