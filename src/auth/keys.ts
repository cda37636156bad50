// The keys of a hive: one signing pair per purpose and the edge's half of the leg, as a private JWK set.
import type { CryptoKey } from "jose";
import * as z from "zod";
import type { PublicKey } from "../wire/host.ts";
import type { Result } from "../wire/result.ts";
import {
  generatePrivateKey,
  importAgreementKey,
  importSigningPair,
  privateKeySchema,
  publicHalf,
  thumbprintOf,
} from "./key-pair.ts";
import type { PrivateKeyJson } from "./key-pair.ts";

const CURVES = { client: "Ed25519", admin: "Ed25519", join: "Ed25519", leg: "X25519" } as const;
type Purpose = keyof typeof CURVES;

const hiveKeysSchema = z
  .object({ keys: z.array(privateKeySchema).max(16) })
  .describe("Private JWK set; the part of a kid before its first dash is the purpose of the key.");
export type HiveKeysJson = z.infer<typeof hiveKeysSchema>;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

export interface PublicJwk extends PublicKey {
  readonly kid: string;
  readonly use: "sig" | "enc";
  readonly alg: "EdDSA" | "ECDH-ES";
}

export interface HiveKeys {
  readonly client: SigningKey;
  readonly admin: SigningKey;
  readonly join: SigningKey;
  readonly leg: { readonly kid: string; readonly privateKey: CryptoKey; readonly publicJwk: PublicKey };
  /** What may be published: the public halves alone. */
  readonly jwks: { readonly keys: readonly PublicJwk[] };
}

/** Makes a complete set of keys; the kids carry the day, so that an operator sees a key's age. */
export async function generateHiveKeys(now: number): Promise<HiveKeysJson> {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll("-", "");
  const make = async (purpose: Purpose): Promise<PrivateKeyJson> => {
    const key = await generatePrivateKey(CURVES[purpose]);
    const thumbprint = await thumbprintOf(publicHalf(key));
    return { ...key, kid: `${purpose}-${day}-${thumbprint.slice(0, 8)}` };
  };
  return { keys: await Promise.all([make("client"), make("admin"), make("join"), make("leg")]) };
}

/** Imports the text of a private JWK set; the error is one line that names the fault and no part of a key. */
export async function importHiveKeys(text: string): Promise<Result<HiveKeys, string>> {
  const parsed = hiveKeysSchema.safeParse(parseJson(text));
  if (!parsed.success) return fault(`not a JWK set of Ed25519 and X25519 private keys (${whereOf(parsed.error)})`);
  const named = new Map<Purpose, NamedKey>();
  for (const purpose of ["client", "admin", "join", "leg"] as const) {
    const found = findKey(parsed.data.keys, purpose);
    if (!found.ok) return found;
    named.set(purpose, found.value);
  }
  if (new Set([...named.values()].map((key) => key.x)).size !== named.size) {
    return fault("one key serves two purposes");
  }
  return importNamed(named);
}

type NamedKey = PrivateKeyJson & { readonly kid: string };

function findKey(keys: readonly PrivateKeyJson[], purpose: Purpose): Result<NamedKey, string> {
  const found = keys.filter((key): key is NamedKey => key.kid?.startsWith(`${purpose}-`) === true);
  const [key] = found;
  if (key === undefined || found.length > 1) {
    return fault(`${found.length} keys whose kid begins with "${purpose}-", wanted one`);
  }
  if (key.crv !== CURVES[purpose]) return fault(`the ${purpose} key is not of ${CURVES[purpose]}`);
  return { ok: true, value: key };
}

async function importNamed(named: ReadonlyMap<Purpose, NamedKey>): Promise<Result<HiveKeys, string>> {
  const pick = (purpose: Purpose): NamedKey => {
    const key = named.get(purpose);
    if (key === undefined) throw new Error(`no ${purpose} key`);
    return key;
  };
  const signing = async (purpose: Purpose): Promise<SigningKey> => {
    const key = pick(purpose);
    return { kid: key.kid, ...(await importSigningPair(key)) };
  };
  try {
    const [client, admin, join] = await Promise.all([signing("client"), signing("admin"), signing("join")]);
    const legKey = pick("leg");
    const leg = { kid: legKey.kid, privateKey: await importAgreementKey(legKey), publicJwk: publicHalf(legKey) };
    return { ok: true, value: { client, admin, join, leg, jwks: { keys: [...named.values()].map(publishKey) } } };
  } catch {
    // The runtime's own message may quote key material.
    return fault("a private key does not belong to its public half or is no point of its curve");
  }
}

function publishKey(key: NamedKey): PublicJwk {
  const purpose =
    key.crv === "Ed25519" ? ({ use: "sig", alg: "EdDSA" } as const) : ({ use: "enc", alg: "ECDH-ES" } as const);
  return { ...publicHalf(key), kid: key.kid, ...purpose };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function whereOf(error: z.ZodError): string {
  return error.issues[0]?.path.join(".") || "not a JSON object";
}

function fault(reason: string): { ok: false; error: string } {
  return { ok: false, error: `HIVE_KEYS: ${reason}` };
}
