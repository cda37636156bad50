// What a valid token of each kind says, to what it is bound, and what an issuer refuses to sign.
import { describe, expect, it } from "vitest";
import { issueAdminToken, verifyAdminToken } from "../../src/auth/admin-token.ts";
import { issueClientToken, verifyClientToken } from "../../src/auth/client-token.ts";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { generateHostKeys, importHostKeys, signHostToken, verifyHostToken } from "../../src/auth/host-token.ts";
import { issueJoinToken, verifyJoinToken } from "../../src/auth/join-token.ts";
import { deriveLegKey, signLegToken, verifyLegToken } from "../../src/auth/leg-token.ts";
import {
  BODY_SHA256,
  HOST,
  ISSUER,
  NOW,
  NOW_SECONDS,
  edgeLegKey,
  expectOk,
  hiveKeys,
  hostKeys,
  invitation,
  legClaims,
} from "./fixture.ts";
import { encode, takeApart } from "./forged-tokens.ts";

const at = { issuer: ISSUER, now: NOW };
const DAY_SECONDS = 86_400;

describe("a client token", () => {
  it("lives 30 days and may infer with every model unless told otherwise", async () => {
    const token = await issueClientToken(hiveKeys, { ...at, sub: "acme", jti: "t1" });
    expect(expectOk(await verifyClientToken(hiveKeys, token, at))).toEqual({
      jti: "t1",
      sub: "acme",
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 30 * DAY_SECONDS,
      scope: ["inference"],
      models: ["*"],
      priority: "normal",
      pool: "default",
    });
  });

  it("carries each limit it was issued with", async () => {
    const claims = {
      jti: "t2",
      sub: "acme",
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 60,
      scope: ["inference" as const, "manage" as const],
      models: ["qwen3:*"],
      priority: "high" as const,
      pool: "gpu",
      rpm: 60,
      tokensPerDay: 1_000_000,
      url: true,
      hosts: true,
    };
    const token = await issueClientToken(hiveKeys, { ...at, ...claims });
    expect(expectOk(await verifyClientToken(hiveKeys, token, at))).toEqual(claims);
  });

  it("gets an id of its own", async () => {
    const issue = async () => takeApart(await issueClientToken(hiveKeys, { ...at, sub: "acme" })).payload["jti"];
    expect(await issue()).not.toBe(await issue());
  });

  it("is not issued for more than 366 days, nor for no time", async () => {
    const issue = (exp: number) => issueClientToken(hiveKeys, { ...at, sub: "acme", exp });
    await expect(issue(NOW_SECONDS + 367 * DAY_SECONDS)).rejects.toThrow(RangeError);
    await expect(issue(NOW_SECONDS)).rejects.toThrow(RangeError);
    await expect(issueClientToken(hiveKeys, { ...at, sub: "" })).rejects.toThrow();
  });
});

describe("an admin token", () => {
  it("lives 15 minutes by default and 24 h at most", async () => {
    const token = await issueAdminToken(hiveKeys, { ...at, sub: "root", jti: "a1" });
    expect(expectOk(await verifyAdminToken(hiveKeys, token, at))).toEqual({
      jti: "a1",
      sub: "root",
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 900,
      scopes: ["*"],
    });
    const tooLong = issueAdminToken(hiveKeys, { ...at, sub: "root", exp: NOW_SECONDS + DAY_SECONDS + 1 });
    await expect(tooLong).rejects.toThrow(RangeError);
  });
});

describe("a join token", () => {
  it("carries all that the operator bound to the host", async () => {
    const token = await issueJoinToken(hiveKeys, { ...invitation, slots: 4 }, { ...at, jti: "j1" });
    expect(expectOk(await verifyJoinToken(hiveKeys, token, at))).toEqual({
      ...invitation,
      slots: 4,
      jti: "j1",
      sub: HOST,
      iat: NOW_SECONDS,
      exp: NOW_SECONDS + 3600,
    });
  });

  it("may name a loopback origin", async () => {
    const token = await issueJoinToken(hiveKeys, { ...invitation, url: "http://127.0.0.1:11435" }, at);
    expect(expectOk(await verifyJoinToken(hiveKeys, token, at)).url).toBe("http://127.0.0.1:11435");
  });

  it("is not issued for more than an hour", async () => {
    await expect(issueJoinToken(hiveKeys, invitation, { ...at, exp: NOW_SECONDS + 3601 })).rejects.toThrow(RangeError);
  });
});

const beat = { hostId: HOST, runId: "run-1", sequence: 7, bodySha256: BODY_SHA256 };
const beatToken = await signHostToken(hostKeys, { ...beat, ...at });

describe("a host token", () => {
  it("says which beat of which run it is, to the millisecond", async () => {
    expect(expectOk(await verifyHostToken(hostKeys.signingKey, beatToken, { ...at, hostId: HOST }))).toEqual({
      ...beat,
      issuedAtMs: NOW,
    });
  });

  it("passes at any millisecond of a second", async () => {
    for (let now = NOW; now < NOW + 1000; now += 37) {
      const one = await signHostToken(hostKeys, { ...beat, issuer: ISSUER, now });
      const claims = expectOk(await verifyHostToken(hostKeys.signingKey, one, { issuer: ISSUER, now, hostId: HOST }));
      expect(claims.issuedAtMs).toBe(now);
    }
  });

  it("is bound to its host [T4]", async () => {
    expect(await verifyHostToken(hostKeys.signingKey, beatToken, { ...at, hostId: "other" })).toMatchObject({
      ok: false,
    });
  });

  it("is refused under the key of another host, also where that host signs in this one's name [T4]", async () => {
    const other = expectOk(await importHostKeys(await generateHostKeys()));
    const forged = await signHostToken({ ...other, kid: hostKeys.kid }, { ...beat, ...at });
    expect(await verifyHostToken(other.signingKey, beatToken, { ...at, hostId: HOST })).toMatchObject({ ok: false });
    expect(await verifyHostToken(hostKeys.signingKey, forged, { ...at, hostId: HOST })).toMatchObject({ ok: false });
  });

  it("is refused, not thrown at, under a registered key that is none", async () => {
    for (const key of [hostKeys.agreementKey, { kty: "OKP", crv: "Ed25519", x: "short" } as const]) {
      expect(await verifyHostToken(key, beatToken, { ...at, hostId: HOST })).toMatchObject({ ok: false });
    }
  });

  it.each(["sub", "runId", "sequence", "bodySha256"])("breaks when its %s is changed afterwards", async (claim) => {
    const [header = "", , signature = ""] = beatToken.split(".");
    const { payload } = takeApart(beatToken);
    const changed = { ...payload, [claim]: claim === "sequence" ? 8 : "x".repeat(43) };
    const forged = `${header}.${encode(JSON.stringify(changed))}.${signature}`;
    expect(await verifyHostToken(hostKeys.signingKey, forged, { ...at, hostId: HOST })).toMatchObject({
      ok: false,
      error: { reason: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" },
    });
  });
});

const hostLegKey = await deriveLegKey(hostKeys.agreementPrivateKey, hiveKeys.leg.publicJwk, HOST);

describe("a leg token", () => {
  const full = { ...legClaims, model: "registry.ollama.ai/library/qwen3:8b", deadlineAt: NOW + 5_000 };

  it("signed at the edge passes at the host, for 30 s, under the id of its attempt", async () => {
    const token = await signLegToken(edgeLegKey, { ...full, scope: "manage", ...at });
    expect(expectOk(await verifyLegToken(hostLegKey, token, { ...at, hostId: HOST }))).toEqual({
      ...full,
      scope: "manage",
      sub: HOST,
      jti: "lease-1.1",
      expiresAt: (NOW_SECONDS + 30) * 1000,
    });
  });

  it.each([
    ["runId", "run-2"],
    ["leaseId", "lease-2"],
    ["attempt", 2],
    ["method", "DELETE"],
    ["path", "/api/delete"],
    ["bodySha256", "x".repeat(43)],
    ["model", "secret"],
    ["deadlineAt", NOW + 50_000],
    ["scope", "manage"],
    ["hostId", "other"],
  ])("breaks when its %s is changed afterwards", async (claim, value) => {
    const token = await signLegToken(edgeLegKey, { ...full, ...at });
    const [header = "", , signature = ""] = token.split(".");
    const { payload } = takeApart(token);
    const forged = `${header}.${encode(JSON.stringify({ ...payload, [claim]: value }))}.${signature}`;
    expect(await verifyLegToken(hostLegKey, forged, { ...at, hostId: HOST })).toMatchObject({
      ok: false,
      error: { reason: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" },
    });
  });

  it("is bound to its host by name and by key [T2]", async () => {
    const token = await signLegToken(edgeLegKey, { ...full, ...at });
    const otherName = await deriveLegKey(hostKeys.agreementPrivateKey, hiveKeys.leg.publicJwk, "other");
    const otherHost = expectOk(await importHostKeys(await generateHostKeys()));
    const otherKey = await deriveLegKey(otherHost.agreementPrivateKey, hiveKeys.leg.publicJwk, HOST);
    expect(await verifyLegToken(hostLegKey, token, { ...at, hostId: "other" })).toMatchObject({ ok: false });
    expect(await verifyLegToken(otherName, token, { ...at, hostId: HOST })).toMatchObject({ ok: false });
    expect(await verifyLegToken(otherKey, token, { ...at, hostId: HOST })).toMatchObject({ ok: false });
  });

  it("is not signed for claims out of bounds", async () => {
    await expect(signLegToken(edgeLegKey, { ...full, path: "no-slash", ...at })).rejects.toThrow();
    await expect(signLegToken(edgeLegKey, { ...full, attempt: 0, ...at })).rejects.toThrow();
  });

  it("has a key that cannot be exported and is not made with a peer key of small order [T29]", async () => {
    expect(edgeLegKey.extractable).toBe(false);
    const zero = { kty: "OKP", crv: "X25519", x: "A".repeat(43) } as const;
    await expect(deriveLegKey(hiveKeys.leg.privateKey, zero, HOST)).rejects.toThrow();
  });
});

describe("sha256Base64Url", () => {
  it("agrees with the known digests of nothing and of abc (FIPS 180-4)", async () => {
    expect(await sha256Base64Url(new Uint8Array())).toBe(BODY_SHA256);
    expect(await sha256Base64Url(new TextEncoder().encode("abc"))).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  });

  it("digests a view and not the buffer behind it", async () => {
    const view = new TextEncoder().encode("xabcx").subarray(1, 4);
    expect(await sha256Base64Url(view)).toBe(await sha256Base64Url(new TextEncoder().encode("abc")));
  });
});
