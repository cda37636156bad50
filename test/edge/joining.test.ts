// How hosts prove themselves: at the join, with every heartbeat, and through the hostname; each proof is good for that alone.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { signHostToken } from "../../src/auth/host-token.ts";
import type { HostClaims, HostKeys } from "../../src/auth/host-token.ts";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { prepare } from "../../src/edge/env.ts";
import { isReached } from "../../src/edge/leg/agent-call.ts";
import { openLeg } from "../../src/edge/leg/forward.ts";
import type { FleetView } from "../../src/wire/fleet-view.ts";
import type { HostRegistration } from "../../src/wire/host.ts";
import { LEG_CONTENT_TYPE } from "../../src/wire/leg.ts";
import { ISSUER, makeHostKeys, startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

const RUN = "run-00000001";
let edge: TestEdge;
let keys: HostKeys;
let count = 0;

beforeEach(async () => {
  edge = await startEdge();
  keys = await makeHostKeys();
  count += 1;
});
afterEach(() => void vi.unstubAllGlobals());

/** Ids of their own for each test: cells outlive tests. */
const idOf = (name: string): string => `${name}-${String(count)}`;
const digestOf = async (text: string): Promise<string> => await sha256Base64Url(new TextEncoder().encode(text));

async function prove(hostId: string, text: string, part: Partial<HostClaims & { now: number; issuer: string }> = {}) {
  const claims = { hostId, runId: RUN, sequence: 1, bodySha256: await digestOf(text), issuer: ISSUER, now: Date.now() };
  return await signHostToken(keys, { ...claims, ...part });
}

async function registered(): Promise<string[]> {
  const answer = await edge.call("/hive/v1/fleet", { token: await edge.admin() });
  return (await answer.json<FleetView>()).hosts.map(({ id }) => id);
}

describe("a join [T3 T4]", () => {
  const post = async (hostId: string, token: string, proof: string, of: HostKeys = keys): Promise<number> => {
    const { signingKey, agreementKey } = of;
    const body = JSON.stringify({ signingKey, agreementKey, proof });
    return (await edge.call(`/hive/v1/hosts/${hostId}/join`, { method: "POST", token, body })).status;
  };
  const bound = (of: HostKeys = keys): string => `${of.signingKey.x}.${of.agreementKey.x}`;

  it("is for the host alone that the invite names, whatever proof comes with it", async () => {
    const [own, other] = [idOf("own"), idOf("other")];
    const token = await edge.invite(own);
    expect(await post(other, token, await prove(other, bound()))).toBe(401);
    expect(await post(own, await edge.invite(other), await prove(own, bound()))).toBe(401);
    expect(await registered()).not.toContain(other);
    expect(await post(own, token, await prove(own, bound()))).toBe(200);
    expect(await registered()).toContain(own);
  });

  it("needs the signing key itself, over both keys, for this host, now", async () => {
    const id = idOf("a");
    const stranger = await makeHostKeys();
    const minuteAgo = Date.now() - 61_000;
    const proofs: Record<string, string> = {
      "of nothing": "a.b.c",
      "of another key": await signHostToken(stranger, {
        hostId: id,
        runId: RUN,
        sequence: 0,
        bodySha256: await digestOf(bound()),
        issuer: ISSUER,
        now: Date.now(),
      }),
      "over another agreement key": await prove(id, `${keys.signingKey.x}.${stranger.agreementKey.x}`),
      "over the signing key alone": await prove(id, keys.signingKey.x),
      "of a heartbeat": await prove(id, "{}"),
      "for another host": await prove(idOf("b"), bound()),
      "for another Hive": await prove(id, bound(), { issuer: "other" }),
      "of a minute ago": await prove(id, bound(), { now: minuteAgo }),
      "to come": await prove(id, bound(), { now: Date.now() + 61_000 }),
    };
    for (const [name, proof] of Object.entries(proofs))
      expect([name, await post(id, await edge.invite(id), proof)]).toEqual([name, 401]);
    expect(await registered()).not.toContain(id);
  });

  it("is opened by an invite, and by no other token", async () => {
    const id = idOf("a");
    const proof = await prove(id, bound());
    const tokens = [await edge.admin(), await edge.client(), await prove(id, bound()), ""];
    for (const token of tokens) expect(await post(id, token, proof)).toBe(401);
    const past = { issuer: ISSUER, now: Date.now() - 2 * 3_600_000 };
    const invitation = { hostId: id, url: `https://${id}.hosts.example.com`, pool: "default", region: "any" };
    expect(await post(id, await issueJoinToken(edge.keys, invitation, past), proof)).toBe(401);
  });

  it.each([
    "https://hive.example.com",
    "https://evil.example.net",
    "https://hosts.example.com.evil.net",
    "https://evilhosts.example.com",
    "https://169.254.169.254",
    "https://a.hosts.example.com:8443",
    "http://127.0.0.1:11435",
    "http://a.hosts.example.com",
  ])("leads to no address but a tunnel's, whoever signed the invite: %s [T7]", async (url) => {
    const id = idOf("a");
    expect(await post(id, await edge.invite(id, url), await prove(id, bound()))).toBe(403);
    expect(await registered()).not.toContain(id);
  });
});

async function register(id: string): Promise<HostRegistration> {
  const { signingKey, agreementKey } = keys;
  const registration = { id, url: `https://${id}.hosts.example.com`, pool: "default", region: "any" };
  const whole = { ...registration, signingKey, agreementKey, registeredAt: 1, drained: false };
  await edge.cell().joinHost(whole, crypto.randomUUID());
  return whole;
}

describe("a heartbeat [T5 T4]", () => {
  const beat = (part: object = {}): string =>
    JSON.stringify({
      runId: RUN,
      sequence: 1,
      agentVersion: "1",
      ollamaVersion: "0.33.0",
      backend: "up",
      models: [],
      running: [],
      slots: 1,
      parallel: 1,
      active: [],
      finished: [],
      ...part,
    });
  const post = async (id: string, token: string, body = beat()): Promise<number> =>
    (await edge.call(`/hive/v1/hosts/${id}/heartbeat`, { method: "POST", token, body })).status;

  it("is taken as it was signed: every byte, run, number, host, Hive and minute of it", async () => {
    const [id, other] = [idOf("a"), idOf("b")];
    await register(id);
    await register(other);
    const signed = await prove(id, beat());
    const attacks: Record<string, [token: string, body?: string, id?: string]> = {
      "another body": [signed, beat({ slots: 4_000 })],
      "a space more": [signed, `${beat()} `],
      "for another host": [signed, beat(), other],
      "in another's name": [await prove(other, beat()), beat()],
      "of two minutes ago": [await prove(id, beat(), { now: Date.now() - 120_000 })],
      "to come": [await prove(id, beat(), { now: Date.now() + 120_000 })],
      "for another Hive": [await prove(id, beat(), { issuer: "other" })],
      "a join's proof": [await prove(id, `${keys.signingKey.x}.${keys.agreementKey.x}`)],
      "a challenge's proof": [await prove(id, `hive challenge ${beat()}`)],
      "an operator's token": [await edge.admin()],
      "no token": [""],
    };
    for (const [name, [token, body, at = id]] of Object.entries(attacks))
      expect([name, await post(at, token, body)]).toEqual([name, 401]);
    // Signed by the host itself, but not what its token says.
    expect(await post(id, await prove(id, beat(), { sequence: 9 }))).toBe(400);
    expect(await post(id, await prove(id, beat(), { runId: "run-00000002" }))).toBe(400);
    expect(await post(id, signed)).toBe(200);
    expect(await post(id, signed)).toBe(409);
  });
});

describe("a challenge through the hostname [T3 T7]", () => {
  type Answer = (nonce: Uint8Array) => Promise<Response>;

  const asJson = (proof: string): Response => {
    const text = JSON.stringify({ proof });
    return new Response(text, { headers: { "content-length": String(text.length) } });
  };

  async function reaches(answer: Answer): Promise<boolean> {
    const host = await register(idOf("a"));
    vi.stubGlobal("fetch", async (input: string, init: RequestInit) => {
      expect([input, init.redirect]).toEqual([`${host.url}/hive/v1/challenge`, "manual"]);
      return await answer(new Uint8Array(await new Response(init.body).arrayBuffer()));
    });
    return await isReached(await prepare(edge.env), host, RUN);
  }

  const proofOf = async (nonce: Uint8Array, part: Partial<HostClaims> = {}, prefix = "hive challenge ") => {
    const bytes = new Uint8Array([...new TextEncoder().encode(prefix), ...nonce]);
    return await prove(idOf("a"), "", { bodySha256: await sha256Base64Url(bytes), ...part });
  };

  it("is passed by the agent of that run with the host's key", async () => {
    expect(await reaches(async (nonce) => asJson(await proofOf(nonce)))).toBe(true);
  });

  it.each<[string, Answer]>([
    ["a proof of another run", async (nonce) => asJson(await proofOf(nonce, { runId: "run-00000002" }))],
    ["a proof for another host", async (nonce) => asJson(await proofOf(nonce, { hostId: "somebody" }))],
    ["a proof that was heard before", async () => asJson(await proofOf(new Uint8Array(32)))],
    ["a heartbeat's signature of the nonce", async (nonce) => asJson(await proofOf(nonce, {}, ""))],
    [
      "a stranger's proof",
      async (nonce) => {
        keys = await makeHostKeys();
        return asJson(await proofOf(nonce));
      },
    ],
    [
      "the right proof with another status",
      async (nonce) => new Response(asJson(await proofOf(nonce)).body, { status: 201 }),
    ],
    [
      "a redirect",
      async () => await Promise.resolve(new Response(null, { status: 302, headers: { location: "https://x" } })),
    ],
    ["a proof of unknown length", async (nonce) => new Response(JSON.stringify({ proof: await proofOf(nonce) }))],
    ["nothing", async () => await Promise.resolve(new Response())],
    ["no connection", async () => await Promise.reject(new Error("refused"))],
  ])("is not passed with %s", async (_, answer) => {
    expect(await reaches(answer)).toBe(false);
  });
});

it("the leg follows no redirect, and its headers are these and no others [T7 T8]", async () => {
  const host = await register(idOf("a"));
  const seen: RequestInit[] = [];
  vi.stubGlobal("fetch", async (_: string, init: RequestInit) => {
    seen.push(init);
    const headers = { "content-type": LEG_CONTENT_TYPE };
    return await Promise.resolve(new Response('{"status":200,"headers":{}}\n', { headers }));
  });
  const target = { leaseId: "l", hostId: host.id, hostUrl: host.url, hostAgreementKey: host.agreementKey };
  const leg = await openLeg(
    await prepare(edge.env),
    { ...target, runId: RUN, attempt: 1, expiresAt: Date.now() + 1_000 },
    {
      requestId: "r",
      method: "POST",
      path: "/api/chat",
      body: new Uint8Array(0),
      bodySha256: await digestOf(""),
      contentType: "application/json",
      userAgent: "client/1",
    },
    new AbortController(),
  );
  expect(leg.ok).toBe(true);
  expect(seen.map(({ redirect }) => redirect)).toEqual(["manual"]);
  expect([...new Headers(seen[0]?.headers).keys()].toSorted()).toEqual([
    "accept-encoding",
    "content-type",
    "hive-edge-token",
    "hive-request-id",
    "user-agent",
  ]);
});
