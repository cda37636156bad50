// The keys of a hive: one signing pair per purpose and the edge's half of the leg, as a private JWK set.
import type { CryptoKey } from "jose";
import { decodeProtectedHeader } from "jose";
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
export type Purpose = keyof typeof CURVES;
export const PURPOSES: readonly Purpose[] = ["client", "admin", "join", "leg"];
/** The one in use and three that it replaced. */
const GENERATIONS_MAX = 4;
/** Longer than any token that is looked at. */
const NAMED_MAX_CHARS = 4_096;

/** Private JWK set; the part of a kid before its first dash is the purpose of the key. */
export const hiveKeysSchema = z.object({ keys: z.array(privateKeySchema).max(16) });
export type HiveKeysJson = z.infer<typeof hiveKeysSchema>;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** Replaced by this one: they sign nothing any more, but what they signed is good until it expires. */
  readonly older: readonly VerifyingKey[];
}

export interface VerifyingKey {
  readonly kid: string;
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
  readonly leg: LegKey;
  /** What may be published: the public halves alone. */
  readonly jwks: { readonly keys: readonly PublicJwk[] };
}

export interface LegKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: PublicKey;
  /** Replaced ones by their public half: hosts that joined under one speak under it until they join anew. */
  readonly older: ReadonlyMap<string, CryptoKey>;
}

/** The key that a token names among those that may have signed it; the newest where it names none of them. */
export function keyNamedBy(key: SigningKey, token: string): VerifyingKey {
  if (key.older.length === 0 || typeof token !== "string" || token.length > NAMED_MAX_CHARS) return key;
  try {
    const { kid } = decodeProtectedHeader(token);
    return key.older.find((older) => older.kid === kid) ?? key;
  } catch {
    return key;
  }
}

/** Makes a complete set of keys; the kids carry the day, so that an operator sees a key's age. */
export async function generateHiveKeys(now: number): Promise<HiveKeysJson> {
  return { keys: await Promise.all(PURPOSES.map(async (purpose) => await generateKey(purpose, now))) };
}

/** The set with a new key for one purpose; the one it replaces stays, for what it signed is still about. */
export async function rotateKey(set: HiveKeysJson, purpose: Purpose, now: number): Promise<HiveKeysJson> {
  return { keys: [await generateKey(purpose, now), ...set.keys] };
}

/** The set without the keys of one purpose that were replaced: what they signed is worth nothing from now on. */
export function retireKeys(set: HiveKeysJson, purpose: Purpose): HiveKeysJson {
  const own = set.keys.filter(({ kid }) => kid?.startsWith(`${purpose}-`) === true);
  return { keys: set.keys.filter((key) => !own.slice(1).includes(key)) };
}

async function generateKey(purpose: Purpose, now: number): Promise<PrivateKeyJson> {
  const day = new Date(now).toISOString().slice(0, 10).replaceAll("-", "");
  const key = await generatePrivateKey(CURVES[purpose]);
  const thumbprint = await thumbprintOf(publicHalf(key));
  return { ...key, kid: `${purpose}-${day}-${thumbprint.slice(0, 8)}` };
}

/** Imports the text of a private JWK set; the error is one line that names the fault and no part of a key. */
export async function importHiveKeys(text: string): Promise<Result<HiveKeys, string>> {
  const parsed = hiveKeysSchema.safeParse(parseJson(text));
  if (!parsed.success) return fault(`not a JWK set of Ed25519 and X25519 private keys (${whereOf(parsed.error)})`);
  const named = new Map<Purpose, Generations>();
  for (const purpose of PURPOSES) {
    const found = findKeys(parsed.data.keys, purpose);
    if (!found.ok) return found;
    named.set(purpose, found.value);
  }
  const all = [...named.values()].flat();
  if (new Set(all.map((key) => key.x)).size !== all.length) return fault("one key is there twice");
  if (new Set(all.map((key) => key.kid)).size !== all.length) return fault("two keys have one kid");
  return importNamed(named);
}

type NamedKey = PrivateKeyJson & { readonly kid: string };
/** The one that signs, then those it replaced. */
type Generations = readonly [NamedKey, ...NamedKey[]];

function findKeys(keys: readonly PrivateKeyJson[], purpose: Purpose): Result<Generations, string> {
  const found = keys.filter((key): key is NamedKey => key.kid?.startsWith(`${purpose}-`) === true);
  const [newest, ...older] = found;
  if (newest === undefined || found.length > GENERATIONS_MAX) {
    return fault(`${found.length} keys whose kid begins with "${purpose}-", wanted 1 to ${GENERATIONS_MAX}`);
  }
  const odd = found.some((key) => key.crv !== CURVES[purpose]);
  return odd ? fault(`a ${purpose} key is not of ${CURVES[purpose]}`) : { ok: true, value: [newest, ...older] };
}

async function importNamed(named: ReadonlyMap<Purpose, Generations>): Promise<Result<HiveKeys, string>> {
  const pick = (purpose: Purpose): Generations => {
    const keys = named.get(purpose);
    if (keys === undefined) throw new Error(`no ${purpose} key`);
    return keys;
  };
  const published = [...named.values()].flat().map(publishKey);
  try {
    const [client, admin, join] = await Promise.all(
      (["client", "admin", "join"] as const).map(async (purpose) => await importSigning(pick(purpose))),
    );
    if (client === undefined || admin === undefined || join === undefined) throw new Error("a key is missing");
    const leg = await importLeg(pick("leg"));
    return { ok: true, value: { client, admin, join, leg, jwks: { keys: published } } };
  } catch {
    // The runtime's own message may quote key material.
    return fault("a private key does not belong to its public half or is no point of its curve");
  }
}

async function importSigning([newest, ...replaced]: Generations): Promise<SigningKey> {
  const older = await Promise.all(
    replaced.map(async (key) => ({ kid: key.kid, publicKey: (await importSigningPair(key)).publicKey })),
  );
  return { kid: newest.kid, ...(await importSigningPair(newest)), older };
}

async function importLeg([newest, ...replaced]: Generations): Promise<LegKey> {
  const older = new Map<string, CryptoKey>();
  for (const key of replaced) older.set(key.x, await importAgreementKey(key));
  return { kid: newest.kid, privateKey: await importAgreementKey(newest), publicJwk: publicHalf(newest), older };
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
