// Forged and malformed tokens, each different in one thing from a token that passes: for the verifiers, and for the edge as a whole.
import type { CryptoKey } from "jose";
import { base64url } from "jose";

export type Part = Record<string, unknown>;

/** One fault, put into a valid token's header and payload; signed with the right key. */
export type Fault = (parts: { header: Part; payload: Part }) => { header?: unknown; payload?: unknown };

export const withHeader =
  (change: Part): Fault =>
  ({ header }) => ({ header: { ...header, ...change } });
export const withClaims =
  (change: Part): Fault =>
  ({ payload }) => ({ payload: { ...payload, ...change } });
const without = (part: Part, name: string): Part =>
  Object.fromEntries(Object.entries(part).filter(([key]) => key !== name));

export interface Forger {
  /** The verifier's clock, seconds. */
  readonly nowSeconds: number;
  readonly issuer: string;
  /** Public key of the forger's own pair. */
  readonly jwk: object;
}

/** Every fault of a token that is rightly signed, with its name. */
export function signedFaults({ nowSeconds, issuer, jwk }: Forger): readonly (readonly [string, Fault])[] {
  return [...headerFaults(jwk), ...claimFaults(issuer), ...timeFaults(nowSeconds)];
}

const headerFaults = (jwk: object): readonly (readonly [string, Fault])[] => [
  ["alg none", withHeader({ alg: "none" })],
  ["alg NONE", withHeader({ alg: "NONE" })],
  ["alg of another family", withHeader({ alg: "RS256" })],
  ["alg ES256", withHeader({ alg: "ES256" })],
  ["alg HS512", withHeader({ alg: "HS512" })],
  ["alg missing", ({ header }) => ({ header: without(header, "alg") })],
  ["alg as a list", withHeader({ alg: ["EdDSA"] })],
  ["an embedded jwk", withHeader({ jwk })],
  ["a jku", withHeader({ jku: "https://attacker.example/jwks.json" })],
  ["an x5u", withHeader({ x5u: "https://attacker.example/cert.pem" })],
  ["an x5c", withHeader({ x5c: ["MIIB"] })],
  ["an unknown crit", withHeader({ crit: ["hive-new"], "hive-new": 1 })],
  ["an empty crit", withHeader({ crit: [] })],
  ["b64 false", withHeader({ b64: false, crit: ["b64"] })],
  ["b64 false without crit", withHeader({ b64: false })],
  ["an enc header of a JWE", withHeader({ enc: "A256GCM" })],
  ["zip", withHeader({ zip: "DEF" })],
  ["a kid that walks the file system", withHeader({ kid: "../../../../dev/null" })],
  ["a kid with SQL", withHeader({ kid: "x' UNION SELECT 'key" })],
  ["an unknown kid", withHeader({ kid: "client-19700101-AAAAAAAA" })],
  ["a kid that is no string", withHeader({ kid: 7 })],
  ["kid __proto__", withHeader({ kid: "__proto__" })],
  ["typ JWT", withHeader({ typ: "JWT" })],
  ["typ missing", ({ header }) => ({ header: without(header, "typ") })],
  [
    "typ with the application prefix",
    ({ header }) => ({ header: { ...header, typ: `application/${String(header["typ"])}` } }),
  ],
  ["typ in capitals", ({ header }) => ({ header: { ...header, typ: String(header["typ"]).toUpperCase() } })],
  ["a header that is a list", () => ({ header: [] })],
  ["a header that is null", () => ({ header: "null" })],
  ["a header that is no JSON", () => ({ header: "{alg:EdDSA}" })],
];

const claimFaults = (issuer: string): readonly (readonly [string, Fault])[] => [
  ["a payload that is a list", () => ({ payload: [] })],
  ["a payload that is null", () => ({ payload: "null" })],
  ["a payload that is no JSON", () => ({ payload: "sub=acme" })],
  ["another audience", withClaims({ aud: "hive:elsewhere" })],
  [
    "a list of audiences that holds the right one",
    ({ payload }) => ({ payload: { ...payload, aud: [payload["aud"], "x"] } }),
  ],
  ["another issuer", withClaims({ iss: "hive2" })],
  ["an issuer with a trailing space", withClaims({ iss: `${issuer} ` })],
  ...["iss", "aud", "sub", "exp", "iat", "jti"].map((claim): [string, Fault] => [
    `${claim} missing`,
    ({ payload }) => ({ payload: without(payload, claim) }),
  ]),
  ["an empty sub", withClaims({ sub: "" })],
  ["an empty jti", withClaims({ jti: "" })],
  ["a jti that is no string", withClaims({ jti: 1 })],
  ["a sub of 10,000 characters within no limit", withClaims({ sub: "a".repeat(10_000) })],
  ["a sub of 201 characters", withClaims({ sub: "a".repeat(201) })],
];

const timeFaults = (nowSeconds: number): readonly (readonly [string, Fault])[] => [
  ["exp as text", withClaims({ exp: String(nowSeconds + 20) })],
  ["exp null", withClaims({ exp: null })],
  ["exp of infinity", ({ payload }) => ({ payload: JSON.stringify(payload).replace(/"exp":[\d.]+/, '"exp":1e999') })],
  ["exp just expired beyond the tolerance", withClaims({ iat: nowSeconds - 60, exp: nowSeconds - 31 })],
  ["iat in the future beyond the tolerance", withClaims({ iat: nowSeconds + 32, exp: nowSeconds + 50 })],
  ["iat as text", withClaims({ iat: "now" })],
  ["iat before the epoch", withClaims({ iat: -1 })],
  ["exp before iat", withClaims({ iat: nowSeconds + 10, exp: nowSeconds + 5 })],
  ["exp equal to iat", withClaims({ iat: nowSeconds, exp: nowSeconds })],
  ["nbf in the future", withClaims({ nbf: nowSeconds + 40 })],
  ["nbf as text", withClaims({ nbf: "tomorrow" })],
];

/** A valid token bent out of its shape: cut, padded, joined and wrapped. */
export function misshapen(token: string): readonly string[] {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return [
    token.slice(0, token.length / 4),
    token.slice(0, token.length / 2),
    token.slice(0, -1),
    token.slice(1),
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `.${payload}.${signature}`,
    `${header}..${signature}`,
    `${token}.`,
    `${token}=`,
    `${token}.${signature}`,
    ` ${token}`,
    `${token} `,
    `${token}\n`,
    `${header}.${payload}.\t${signature}`,
    `${header} .${payload}.${signature}`,
    `Bearer ${token}`,
    token.replaceAll(".", "_"),
    `${token}\u0000`,
    `${token}\u00e9`,
  ];
}

/** What never was a token, with its name. */
export const NO_TOKENS: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["dots", ".."],
  ["five parts as of a JWE", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"],
  ["five full parts", "eyJh.AAAA.AAAA.AAAA.AAAA"],
  ["binary", "\u0000\u0001\u0002"],
  ["a JSON serialisation", '{"payload":"e30","signatures":[]}'],
  ["lone surrogates", "\ud800.\udfff.\ud800"],
  ["standard base64", "e30+.e30/.e30="],
  ["three letters", "a.b.c"],
  ["4,097 characters", `${"a".repeat(4093)}.a.a`],
  ["a million characters", "a.".repeat(500_000)],
];

/** Puts a fault into a valid token and signs it anew. */
export async function forge(token: string, fault: Fault, key: CryptoKey): Promise<string> {
  const { header, payload } = takeApart(token);
  const changed = fault({ header, payload });
  return await signAnything(changed.header ?? header, changed.payload ?? payload, key);
}

/** Header and payload of a token, unverified. */
export function takeApart(token: string): { header: Part; payload: Part; signature: string } {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return { header: readPart(header), payload: readPart(payload), signature };
}

/** Signs any header and payload as they are: what a verifier must refuse even under the right key. */
export async function signAnything(header: unknown, payload: unknown, key: CryptoKey): Promise<string> {
  const head = typeof header === "string" ? header : JSON.stringify(header);
  const body = typeof payload === "string" ? payload : JSON.stringify(payload);
  const input = `${encode(head)}.${encode(body)}`;
  const signature = await crypto.subtle.sign(key.algorithm.name, key, new TextEncoder().encode(input));
  return `${input}.${base64url.encode(new Uint8Array(signature))}`;
}

export const encode = (text: string): string => base64url.encode(text);

const readPart = (part: string): Part => JSON.parse(new TextDecoder().decode(base64url.decode(part))) as Part;
