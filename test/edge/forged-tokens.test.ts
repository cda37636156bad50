// The whole corpus of forged and malformed tokens, sent to every kind of gate of the edge: one answer for all of them.
import type { CryptoKey } from "jose";
import { exportJWK, generateKeyPair } from "jose";
import { beforeAll, expect, it } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { generateHostKeys, importHostKeys, signHostToken } from "../../src/auth/host-token.ts";
import type { HostKeys } from "../../src/auth/host-token.ts";
import { NO_TOKENS, forge, misshapen, signAnything, signedFaults, takeApart } from "../auth/forged-tokens.ts";
import { ISSUER, startEdge, valueOf } from "./edge.ts";
import type { CallInit, TestEdge } from "./edge.ts";

/** A gate that meets fewer has not been tried. */
const CORPUS_MIN = 45;
const HOST = "forged";
const BODY = "{}";

let edge: TestEdge;
let hostKeys: HostKeys;
let addresses = 0;

beforeAll(async () => {
  edge = await startEdge();
  hostKeys = valueOf(await importHostKeys(await generateHostKeys()));
  const { signingKey, agreementKey } = hostKeys;
  const registration = { id: HOST, url: `https://${HOST}.hosts.example.com`, pool: "default", region: "any" };
  await edge.cell().joinHost({ ...registration, signingKey, agreementKey, registeredAt: 1, drained: false }, HOST);
});

interface Gate {
  readonly path: string;
  readonly method: "GET" | "POST";
  readonly key: () => CryptoKey;
  readonly issue: () => Promise<string>;
}

const GATES: Record<string, Gate> = {
  client: {
    path: "/api/tags",
    method: "GET",
    key: () => edge.keys.client.privateKey,
    issue: async () => await edge.client({ url: true }),
  },
  operator: {
    path: "/hive/v1/fleet",
    method: "GET",
    key: () => edge.keys.admin.privateKey,
    issue: async () => await edge.admin(),
  },
  invite: {
    path: `/hive/v1/hosts/${HOST}/join`,
    method: "POST",
    key: () => edge.keys.join.privateKey,
    issue: async () => await edge.invite(HOST),
  },
  host: {
    path: `/hive/v1/hosts/${HOST}/heartbeat`,
    method: "POST",
    key: () => hostKeys.signingPrivateKey,
    issue: async () =>
      await signHostToken(hostKeys, {
        hostId: HOST,
        runId: "run-1",
        sequence: 1,
        bodySha256: await sha256Base64Url(new TextEncoder().encode(BODY)),
        issuer: ISSUER,
        now: Date.now(),
      }),
  },
};

/** Every forgery of a gate's token that HTTP can carry as a header's value. */
async function corpusOf({ issue, key }: Gate): Promise<readonly string[]> {
  const foreign = await generateKeyPair("EdDSA");
  const jwk = await exportJWK(foreign.publicKey);
  const token = await issue();
  const { header, payload } = takeApart(token);
  const faults = signedFaults({ nowSeconds: Math.floor(Date.now() / 1000), issuer: ISSUER, jwk });
  const forged = [
    ...(await Promise.all(faults.map(async ([, fault]) => await forge(token, fault, key())))),
    await signAnything(header, payload, foreign.privateKey),
    await signAnything({ ...header, jwk }, payload, foreign.privateKey),
    ...misshapen(token),
    ...NO_TOKENS.map(([, text]) => text),
  ];
  // White space around a value is no part of it; NUL and a line's end cannot stand in one, nor what is no ASCII be sent by all.
  const sendable = forged.filter((text) => text.trim() !== token && /^[\t\u0020-\u007e]*$/.test(text));
  return [...new Set(sendable)];
}

/** Status and body of the answer to one try, each from an address of its own: no limit of failures is met. */
async function answerTo({ path, method }: Gate, tried: CallInit & { readonly prefix?: string }): Promise<string> {
  addresses += 1;
  const from = `10.${String(addresses >> 16)}.${String((addresses >> 8) & 255)}.${String(addresses & 255)}`;
  const body = method === "POST" ? { body: BODY } : {};
  const response = await edge.call(`${tried.prefix ?? ""}${path}`, { method, from, ...body, ...tried });
  return `${String(response.status)} ${await response.text()}`;
}

it.each(Object.entries(GATES))(
  "every forged %s token is answered like no token at all, in the same 401, and none with a 5xx [T13 T18]",
  async (_, gate) => {
    expect(await answerTo(gate, { token: await gate.issue() })).not.toMatch(/^401/);
    const refusal = await answerTo(gate, {});
    expect(refusal).toMatch(/^401 /);
    const corpus = await corpusOf(gate);
    expect(corpus.length).toBeGreaterThanOrEqual(CORPUS_MIN);
    for (const token of corpus) {
      expect(await answerTo(gate, { token }), token.slice(0, 300)).toBe(refusal);
    }
  },
);

it.each(["client", "operator"])(
  "so is every forged %s token in another header, and in the path [T13 T17]",
  async (name) => {
    const gate = GATES[name] ?? expect.fail(name);
    const refusal = await answerTo(gate, {});
    const corpus = await corpusOf(gate);
    const inPath = corpus.filter((token) => /^[\w.-]+$/.test(token) && token.length < 8_000);
    expect(inPath.length).toBeGreaterThanOrEqual(CORPUS_MIN);
    for (const token of corpus) {
      expect(await answerTo(gate, { headers: { "x-api-key": token } }), token.slice(0, 300)).toBe(refusal);
      const headers = { authorization: `Basic ${btoa(`ollama:${token}`)}` };
      expect(await answerTo(gate, { headers }), token.slice(0, 300)).toBe(refusal);
    }
    for (const token of inPath) {
      expect(await answerTo(gate, { prefix: `/k/${token}` }), token.slice(0, 300)).toBe(refusal);
    }
  },
);
