// The keys of an issuer elsewhere: fetched when needed, kept while it is down, and never fetched because somebody makes up ids.
import type { CryptoKey, JWK } from "jose";
import { importJWK } from "jose";
import * as z from "zod";

/** Within this time an unknown id fetches nothing: 500 of them cost one fetch. */
const COOLDOWN_MS = 30_000;
/** After this time the set is fetched again, so that a key that was withdrawn is not trusted for long. */
const FRESH_MS = 10 * 60_000;
/** How long a set that cannot be fetched again is still used. */
const KEPT_MS = 24 * 3_600_000;
const WAIT_STEP_MS = 25;
/** Longer than a fetch may take. */
const WAIT_MAX_MS = 6_000;

const keySchema = z.looseObject({ kid: z.string().min(1).max(300), kty: z.enum(["RSA", "EC", "OKP"]) });
const setSchema = z.object({ keys: z.array(z.unknown()).max(64) });
const ALGORITHMS = { RSA: "RS256", EC: "ES256", OKP: "EdDSA" } as const;
const MIN_RSA_BITS = 2048;

export interface RemoteKey {
  readonly key: CryptoKey;
  readonly algorithm: (typeof ALGORITHMS)[keyof typeof ALGORITHMS];
}

export interface RemoteKeysOptions {
  /** Gives the parsed JSON of the set; rejects when it cannot. */
  readonly fetchSet: () => Promise<unknown>;
  /** Epoch ms. */
  readonly clock: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  #keys = new Map<string, RemoteKey>();
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #isFetching = false;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
  }

  /** The key with this id; undefined when the issuer has none, or cannot be asked and none is kept. */
  async find(kid: string): Promise<RemoteKey | undefined> {
    const now = this.#options.clock();
    const isFresh = now - this.#fetchedAt < FRESH_MS;
    if (isFresh && this.#keys.has(kid)) return this.#keys.get(kid);
    // A promise of another request must not be awaited in a Worker, hence the look every few milliseconds.
    if (this.#isFetching) await this.#untilFetched();
    else if (now - this.#triedAt >= COOLDOWN_MS) await this.#fetch(now);
    return now - this.#fetchedAt < KEPT_MS ? this.#keys.get(kid) : undefined;
  }

  async #fetch(now: number): Promise<void> {
    this.#isFetching = true;
    this.#triedAt = now;
    try {
      const keys = await importSet(await this.#options.fetchSet());
      // An empty or broken answer must not throw away what was good.
      if (keys.size === 0) return;
      this.#keys = keys;
      this.#fetchedAt = now;
    } catch {
      // The last good set is kept.
    } finally {
      this.#isFetching = false;
    }
  }

  async #untilFetched(): Promise<void> {
    for (let waitedMs = 0; this.#isFetching && waitedMs < WAIT_MAX_MS; waitedMs += WAIT_STEP_MS)
      await this.#options.sleep(WAIT_STEP_MS);
    // A request that ended in the middle of its fetch can no longer say so.
    if (this.#isFetching) this.#isFetching = false;
  }
}

/** Public signing keys alone; what cannot be used is left out, for sets hold keys for other purposes too. */
async function importSet(json: unknown): Promise<Map<string, RemoteKey>> {
  const keys = new Map<string, RemoteKey>();
  for (const entry of setSchema.parse(json).keys) {
    const parsed = keySchema.safeParse(entry);
    if (!parsed.success || parsed.data["use"] === "enc") continue;
    const imported = await importOne(parsed.data);
    if (imported !== undefined) keys.set(parsed.data.kid, imported);
  }
  return keys;
}

async function importOne(jwk: z.infer<typeof keySchema>): Promise<RemoteKey | undefined> {
  const algorithm = ALGORITHMS[jwk.kty];
  // Without its private part, whatever an issuer publishes.
  const { kty, n, e, crv, x, y } = jwk;
  if (kty === "EC" && crv !== "P-256") return undefined;
  if (kty === "OKP" && crv !== "Ed25519") return undefined;
  if (kty === "RSA" && (typeof n !== "string" || n.length * 6 < MIN_RSA_BITS)) return undefined;
  try {
    const key = await importJWK({ kty, n, e, crv, x, y } as JWK, algorithm);
    return key instanceof Uint8Array ? undefined : { key, algorithm };
  } catch {
    return undefined;
  }
}
