// Forged and malformed tokens: each differs in one thing from a token that passes, and all are refused as data.
import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { issueClientToken, verifyClientToken } from "../../src/auth/client-token.ts";
import { BODY_SHA256, HOST, ISSUER, NOW, NOW_SECONDS, hiveKeys, kinds } from "./fixture.ts";
import {
  NO_TOKENS,
  encode,
  forge,
  misshapen,
  signAnything,
  signedFaults,
  takeApart,
  withClaims,
  withHeader,
} from "./forged-tokens.ts";
import type { Fault } from "./forged-tokens.ts";

const attackerPair = await generateKeyPair("EdDSA");
const attackerJwk = await exportJWK(attackerPair.publicKey);

const faults = signedFaults({ nowSeconds: NOW_SECONDS, issuer: ISSUER, jwk: attackerJwk });

describe.each(kinds)("a $name token [T13]", (kind) => {
  const forgeIt = async (fault: Fault): Promise<string> => await forge(await kind.issue(NOW), fault, kind.key);

  it("passes when the forger changes nothing, so that each fault below is the only one", async () => {
    expect(await kind.verify(await forgeIt(() => ({})))).toMatchObject({ ok: true });
  });

  it.each(faults)("is refused with %s, though rightly signed", async (_, change) => {
    expect(await kind.verify(await forgeIt(change))).toMatchObject({ ok: false });
  });

  it("is refused with a lifetime over its cap by one second, and passes at the cap", async () => {
    const capSeconds = kind.maxTtlMs / 1000;
    const at = (ttl: number) => forgeIt(withClaims({ iat: NOW_SECONDS, exp: NOW_SECONDS + ttl }));
    expect(await kind.verify(await at(capSeconds))).toMatchObject({ ok: true });
    expect(await kind.verify(await at(capSeconds + 1))).toMatchObject({ ok: false, error: { code: "invalid" } });
  });

  it("is expired 31 s after exp and not 29 s after", async () => {
    const token = await forgeIt(withClaims({ iat: NOW_SECONDS, exp: NOW_SECONDS + 20 }));
    const expiresAt = (NOW_SECONDS + 20) * 1000;
    expect(await kind.verify(token, { now: expiresAt + 29_000 })).toMatchObject({ ok: true });
    expect(await kind.verify(token, { now: expiresAt + 31_000 })).toMatchObject({
      ok: false,
      error: { code: "expired" },
    });
  });

  it("forgives a clock that is 30 s behind the issuer's", async () => {
    expect(
      await kind.verify(await forgeIt(withClaims({ iat: NOW_SECONDS + 30, exp: NOW_SECONDS + 50 }))),
    ).toMatchObject({
      ok: true,
    });
  });

  it("is refused when unsigned, signed by another, or signed with a public key as secret", async () => {
    const { header, payload } = takeApart(await kind.issue(NOW));
    const publicText = JSON.stringify(hiveKeys.jwks.keys[0]);
    const secret = await crypto.subtle.importKey(
      "raw",
      Buffer.from(publicText),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const unsigned = `${encode(JSON.stringify({ ...header, alg: "none" }))}.${encode(JSON.stringify(payload))}.`;
    const tokens = [
      unsigned,
      `${unsigned}AA`,
      await signAnything(header, payload, attackerPair.privateKey),
      await signAnything({ ...header, jwk: attackerJwk }, payload, attackerPair.privateKey),
      await signAnything({ ...header, alg: "HS256" }, payload, secret),
      await signAnything({ ...header, alg: "EdDSA" }, payload, secret),
    ];
    for (const token of tokens) expect(await kind.verify(token)).toMatchObject({ ok: false });
  });

  it("is refused with any one bit of its signature flipped, or of its claims", async () => {
    const token = await kind.issue(NOW);
    const [header = "", payload = "", signature = ""] = token.split(".");
    const bytes = Buffer.from(signature, "base64url");
    for (const index of bytes.keys()) {
      const flipped = Buffer.from(bytes);
      flipped[index] = (flipped[index] ?? 0) ^ 1;
      expect(await kind.verify(`${header}.${payload}.${flipped.toString("base64url")}`)).toMatchObject({ ok: false });
    }
    const other = payload.replace(/^./, (first) => (first === "A" ? "B" : "A"));
    expect(await kind.verify(`${header}.${other}.${signature}`)).toMatchObject({ ok: false });
  });

  it("is refused in a second spelling of its signature", async () => {
    const token = await kind.issue(NOW);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The last character carries spare bits (4 for 64 bytes, 2 for 32): setting one spells the same bytes anew.
    const respelled = token.slice(0, -1) + alphabet[alphabet.indexOf(token.slice(-1)) | 1];
    expect(respelled).not.toBe(token);
    expect(Buffer.from(respelled.split(".")[2] ?? "", "base64url")).toEqual(
      Buffer.from(token.split(".")[2] ?? "", "base64url"),
    );
    expect(await kind.verify(respelled)).toMatchObject({ ok: false, error: { code: "malformed" } });
  });

  it("is refused truncated at any of its quarters, padded, or wrapped in whitespace", async () => {
    const token = await kind.issue(NOW);
    for (const forged of misshapen(token)) {
      expect(await kind.verify(forged), JSON.stringify(forged)).toMatchObject({ ok: false });
    }
  });

  it.each(NO_TOKENS)("is refused as malformed: %s", async (_, token) => {
    expect(await kind.verify(token)).toMatchObject({ ok: false, error: { code: "malformed" } });
  });

  it("is refused over 4,096 characters even when rightly signed", async () => {
    const pad = (count: number) => forgeIt(withClaims({ pad: "x".repeat(count) }));
    expect(await kind.verify(await pad(1_000))).toMatchObject({ ok: true });
    expect(await kind.verify(await pad(4_000))).toMatchObject({ ok: false, error: { code: "malformed" } });
  });

  it.each<[unknown]>([[undefined], [null], [7], [{}], [["a.b.c"]]])(
    "is refused when it is no string at all: %j",
    async (value) => {
      expect(await kind.verify(value as string)).toMatchObject({ ok: false });
    },
  );

  it("is refused where the verifier has no issuer or no clock", async () => {
    const token = await kind.issue(NOW);
    expect(await kind.verify(token, { issuer: "" })).toMatchObject({ ok: false });
    expect(await kind.verify(token, { issuer: "other" })).toMatchObject({ ok: false });
    expect(await kind.verify(token, { now: Number.NaN })).toMatchObject({ ok: false });
    expect(await kind.verify(token, { now: Number.POSITIVE_INFINITY })).toMatchObject({ ok: false });
  });

  it.each(kinds.filter((other) => other !== kind))("is refused as a $name token [T14]", async (other) => {
    expect(await other.verify(await kind.issue(NOW))).toMatchObject({ ok: false });
  });

  it.each(kinds.filter((other) => other !== kind && other.alg === kind.alg))(
    "is refused under its own key with the typ, or the audience, of a $name token [T14]",
    async (other) => {
      expect(await kind.verify(await forgeIt(withHeader({ typ: other.typ })))).toMatchObject({ ok: false });
      expect(await kind.verify(await forgeIt(withClaims({ aud: other.audience })))).toMatchObject({ ok: false });
    },
  );

  it("never has its text in the reason of its refusal [T27]", async () => {
    const token = await kind.issue(NOW);
    // In the middle of the signature: the last byte of an Ed25519 one is small, so that an end of "AA" may be the true one.
    const changed = token.at(-20) === "A" ? "B" : "A";
    const tokens = [
      `${token.slice(0, -20)}${changed}${token.slice(-19)}`,
      await forgeIt(withClaims({ iss: "secret-issuer", sub: "secret-sub" })),
    ];
    for (const forged of tokens) {
      const refused = await kind.verify(forged);
      expect(refused.ok).toBe(false);
      expect(JSON.stringify(refused)).not.toMatch(/eyJ|secret-/);
    }
  });
});

it("no token passes a verifier that knows neither the time nor whose tokens it takes [T13]", async () => {
  const { header, payload } = takeApart(await issueClientToken(hiveKeys, { issuer: ISSUER, now: NOW, sub: "acme" }));
  const { privateKey } = hiveKeys.client;
  const nameless = await signAnything(header, { ...payload, iss: "" }, privateKey);
  expect(await verifyClientToken(hiveKeys, nameless, { issuer: "", now: NOW })).toMatchObject({ ok: false });
  const token = await signAnything(header, payload, privateKey);
  expect(await verifyClientToken(hiveKeys, token, { issuer: ISSUER, now: NOW })).toMatchObject({ ok: true });
  const endless = await signAnything(header, { ...payload, iat: 0, exp: 1 }, privateKey);
  for (const now of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const each of [token, endless])
      expect(await verifyClientToken(hiveKeys, each, { issuer: ISSUER, now })).toMatchObject({ ok: false });
});

describe("claims of one kind [T13]", () => {
  const byName = (name: string) => kinds.find((kind) => kind.name === name) ?? expect.fail(name);

  it.each([
    ["client", { scope: ["root"] }],
    ["client", { scope: "inference manage" }],
    ["client", { scope: [] }],
    ["client", { models: "*" }],
    ["client", { priority: "urgent" }],
    ["client", { rpm: 0 }],
    ["client", { tokensPerDay: -1 }],
    ["client", { url: "yes" }],
    ["admin", { scopes: "all" }],
    ["admin", { scopes: ["has space"] }],
    ["join", { hostId: "other" }],
    ["join", { hostId: "Not A Label" }],
    ["join", { url: "file:///etc/passwd" }],
    ["join", { url: "https://user@atlas.example.net" }],
    ["join", { url: "https://atlas.example.net/path" }],
    ["join", { slots: 0 }],
    ["host", { sub: "../atlas" }],
    ["host", { sub: "other" }],
    ["host", { sequence: -1 }],
    ["host", { sequence: 1.5 }],
    ["host", { runId: "" }],
    ["host", { bodySha256: `${BODY_SHA256}=` }],
    ["leg", { sub: "other" }],
    ["leg", { hostId: "other" }],
    ["leg", { jti: "lease-2.1" }],
    ["leg", { attempt: 2 }],
    ["leg", { leaseId: "lease-2" }],
    ["leg", { method: "post" }],
    ["leg", { path: "api/chat" }],
    ["leg", { scope: "inference" }],
    ["leg", { aud: `hive:host:${HOST}x` }],
  ])("a %s token with %j is refused", async (name, change) => {
    const kind = byName(name);
    const { header, payload } = takeApart(await kind.issue(NOW));
    expect(await kind.verify(await signAnything(header, { ...payload, ...change }, kind.key))).toMatchObject({
      ok: false,
      error: { code: "invalid" },
    });
  });
});
