// Key material: what a set holds, what may be published, and what is refused with one clear line.
import { describe, expect, it } from "vitest";
import { issueAdminToken, verifyAdminToken } from "../../src/auth/admin-token.ts";
import { issueClientToken, verifyClientToken } from "../../src/auth/client-token.ts";
import { deriveLegKey } from "../../src/auth/leg-token.ts";
import { generateHiveKeys, importHiveKeys, retireKeys, rotateKey } from "../../src/auth/keys.ts";
import { importHostKeys } from "../../src/auth/host-token.ts";
import type { HostKeysJson } from "../../src/auth/host-token.ts";
import { NOW, hiveKeys, hiveKeysJson, hostKeys, hostKeysJson } from "./fixture.ts";

const [client, admin, join, leg] = hiveKeysJson.keys;
if (!client || !admin || !join || !leg) throw new Error("a set has four keys");
const other = await generateHiveKeys(NOW);

describe("a hive's keys [T29]", () => {
  it("are one for each purpose, named with the day they were made", () => {
    expect(hiveKeysJson.keys.map((key) => [key.kid?.split("-").slice(0, 2).join("-"), key.crv])).toEqual([
      ["client-20270115", "Ed25519"],
      ["admin-20270115", "Ed25519"],
      ["join-20270115", "Ed25519"],
      ["leg-20270115", "X25519"],
    ]);
  });

  it("publish their public halves and nothing private", () => {
    expect(hiveKeys.jwks.keys.map(({ kid, x }) => ({ kid, x }))).toEqual(
      hiveKeysJson.keys.map(({ kid, x }) => ({ kid, x })),
    );
    for (const key of hiveKeys.jwks.keys)
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  });

  it("cannot be exported once they are imported", async () => {
    const imported = [hiveKeys.client, hiveKeys.admin, hiveKeys.join, hiveKeys.leg].map((key) => key.privateKey);
    for (const key of [...imported, hostKeys.signingPrivateKey, hostKeys.agreementPrivateKey]) {
      expect(key.extractable).toBe(false);
      await expect(crypto.subtle.exportKey("jwk", key)).rejects.toThrow();
    }
  });

  it.each<[string, string]>([
    ["nothing", ""],
    ["cut JSON", JSON.stringify(hiveKeysJson).slice(0, -5)],
    ["null", "null"],
    ["a list", "[]"],
    ["no keys", '{"keys":[]}'],
    ["keys that are no list", '{"keys":{}}'],
    ["a missing purpose", JSON.stringify({ keys: [client, admin, join] })],
    ["one key under two kids", JSON.stringify({ keys: [client, admin, join, leg, { ...client, kid: "client-2" }] })],
    [
      "two keys under one kid",
      JSON.stringify({ keys: [client, admin, join, leg, { ...other.keys[0], kid: client.kid }] }),
    ],
    ["one key for two purposes", JSON.stringify({ keys: [client, { ...client, kid: "admin-1" }, join, leg] })],
    ["a key without kid", JSON.stringify({ keys: [{ ...client, kid: undefined }, admin, join, leg] })],
    ["a public key alone", JSON.stringify({ keys: [{ ...client, d: undefined }, admin, join, leg] })],
    ["an agreement key that signs", JSON.stringify({ keys: [client, admin, join, { ...leg, crv: "Ed25519" }] })],
    ["another family", JSON.stringify({ keys: [{ ...client, kty: "RSA" }, admin, join, leg] })],
    ["a short private half", JSON.stringify({ keys: [{ ...client, d: "abc" }, admin, join, leg] })],
    ["signing halves of two pairs", JSON.stringify({ keys: [{ ...client, x: other.keys[0]?.x }, admin, join, leg] })],
    ["agreement halves of two pairs", JSON.stringify({ keys: [client, admin, join, { ...leg, x: other.keys[3]?.x }] })],
  ])("are refused in one line: %s", async (_, text) => {
    const imported = await importHiveKeys(text);
    const line = imported.ok ? "" : imported.error;
    expect(line).toMatch(/^HIVE_KEYS: [^\n]{10,160}$/);
    for (const key of hiveKeysJson.keys) expect(line).not.toContain(key.d);
  });
});

describe("rotation [T16 T29]", () => {
  const importSet = async (set: typeof hiveKeysJson) => {
    const imported = await importHiveKeys(JSON.stringify(set));
    return imported.ok ? imported.value : expect.fail(imported.error);
  };
  const options = { issuer: "hive", now: NOW };

  it("of one purpose leaves the tokens of the old key good until it is retired, and touches no other purpose", async () => {
    const token = await issueClientToken(hiveKeys, { sub: "acme", ...options });
    const admin = await issueAdminToken(hiveKeys, { sub: "root", ...options });
    const rotatedSet = await rotateKey(hiveKeysJson, "client", NOW + 86_400_000);
    const rotated = await importSet(rotatedSet);
    expect(rotated.client.kid).not.toBe(hiveKeys.client.kid);
    expect(rotated.jwks.keys).toHaveLength(5);
    const fresh = await issueClientToken(rotated, { sub: "acme", ...options });
    for (const each of [token, fresh])
      expect(await verifyClientToken(rotated, each, options)).toMatchObject({ ok: true });
    expect(await verifyClientToken(hiveKeys, fresh, options)).toMatchObject({ ok: false });
    const retired = await importSet(retireKeys(rotatedSet, "client"));
    expect(await verifyClientToken(retired, token, options)).toMatchObject({ ok: false });
    expect(await verifyClientToken(retired, fresh, options)).toMatchObject({ ok: true });
    expect(await verifyAdminToken(retired, admin, options)).toMatchObject({ ok: true });
  });

  it("of the leg's key keeps the legs of hosts that joined before", async () => {
    const rotated = await importSet(await rotateKey(hiveKeysJson, "leg", NOW));
    const before = hiveKeys.leg.publicJwk.x;
    expect(rotated.leg.publicJwk.x).not.toBe(before);
    const old = rotated.leg.older.get(before) ?? expect.fail("the old key is gone");
    const edgeSide = await deriveLegKey(old, hostKeys.agreementKey, "atlas");
    const hostSide = await deriveLegKey(hostKeys.agreementPrivateKey, hiveKeys.leg.publicJwk, "atlas");
    const message = new Uint8Array(4);
    const mac = await crypto.subtle.sign("HMAC", edgeSide, message);
    expect(await crypto.subtle.verify("HMAC", hostSide, mac, message)).toBe(true);
  });

  it("ends at four keys of one purpose", async () => {
    let set = hiveKeysJson;
    for (let time = 0; time < 3; time += 1) set = await rotateKey(set, "join", NOW);
    expect((await importHiveKeys(JSON.stringify(set))).ok).toBe(true);
    expect((await importHiveKeys(JSON.stringify(await rotateKey(set, "join", NOW)))).ok).toBe(false);
  });
});

describe("a host's keys [T29]", () => {
  it("come in from text or parsed, with the same thumbprint", async () => {
    expect(await importHostKeys(JSON.stringify(hostKeysJson))).toMatchObject({
      ok: true,
      value: { kid: hostKeys.kid },
    });
    expect(hostKeys.kid).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it.each<[string, unknown]>([
    ["nothing", ""],
    ["cut JSON", JSON.stringify(hostKeysJson).slice(0, -5)],
    ["no object", "7"],
    ["an empty object", {}],
    ["halves swapped", { signing: hostKeysJson.agreement, agreement: hostKeysJson.signing }],
    ["a missing half", { signing: hostKeysJson.signing }],
    ["signing halves of two pairs", { ...hostKeysJson, signing: { ...hostKeysJson.signing, x: client.x } }],
    ["agreement halves of two pairs", { ...hostKeysJson, agreement: { ...hostKeysJson.agreement, x: leg.x } }],
  ])("are refused in one line: %s", async (_, json) => {
    const imported = await importHostKeys(json as string | HostKeysJson);
    const line = imported.ok ? "" : imported.error;
    expect(line).toMatch(/^host keys: [^\n]{10,160}$/);
    expect(line).not.toContain(hostKeysJson.signing.d);
    expect(line).not.toContain(hostKeysJson.agreement.d);
  });
});
