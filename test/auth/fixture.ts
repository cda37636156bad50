// Keys, valid tokens of every kind with their verifiers, and a signer that obeys: what forgeries are made of.
import type { CryptoKey } from "jose";
import { generateHiveKeys, importHiveKeys } from "../../src/auth/keys.ts";
import { issueAdminToken, verifyAdminToken } from "../../src/auth/admin-token.ts";
import { issueClientToken, verifyClientToken } from "../../src/auth/client-token.ts";
import { issueCopyToken, verifyCopyToken } from "../../src/auth/copy-token.ts";
import { generateHostKeys, importHostKeys, signHostToken, verifyHostToken } from "../../src/auth/host-token.ts";
import { issueJoinToken, verifyJoinToken } from "../../src/auth/join-token.ts";
import { deriveLegKey, signLegToken, verifyLegToken } from "../../src/auth/leg-token.ts";
import { issueScaleToken, verifyScaleToken } from "../../src/auth/scale-token.ts";
import type { TokenError } from "../../src/auth/verify-token.ts";
import type { Result } from "../../src/wire/result.ts";

export const NOW = 1_800_000_000_250;
export const NOW_SECONDS = 1_800_000_000;
export const ISSUER = "hive";
export const HOST = "atlas";
export const BODY_SHA256 = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

export const expectOk = <Value>(result: Result<Value, unknown>): Value => {
  if (!result.ok) throw new Error(`expected ok, got ${JSON.stringify(result.error)}`);
  return result.value;
};

export const hiveKeysJson = await generateHiveKeys(NOW);
export const hiveKeys = expectOk(await importHiveKeys(JSON.stringify(hiveKeysJson)));
export const hostKeysJson = await generateHostKeys();
export const hostKeys = expectOk(await importHostKeys(hostKeysJson));
export const edgeLegKey = await deriveLegKey(hiveKeys.leg.privateKey, hostKeys.agreementKey, HOST);

export const legClaims = {
  hostId: HOST,
  runId: "run-1",
  leaseId: "lease-1",
  attempt: 1,
  method: "POST",
  path: "/api/chat",
  bodySha256: BODY_SHA256,
};
export const invitation = { hostId: HOST, url: "https://atlas.example.net", pool: "default", region: "weur" };

interface Kind {
  readonly name: string;
  readonly typ: string;
  readonly audience: string;
  readonly maxTtlMs: number;
  readonly alg: "EdDSA" | "HS256";
  readonly kid: string | undefined;
  readonly key: CryptoKey;
  issue(now: number): Promise<string>;
  verify(token: string, options?: { issuer?: string; now?: number }): Promise<Result<unknown, TokenError>>;
}

const options = (given: { issuer?: string; now?: number } = {}) => ({ issuer: ISSUER, now: NOW, ...given });

export const kinds: readonly Kind[] = [
  {
    name: "client",
    typ: "hive-client+jwt",
    audience: "hive:edge",
    maxTtlMs: 366 * 86_400_000,
    alg: "EdDSA",
    kid: hiveKeys.client.kid,
    key: hiveKeys.client.privateKey,
    issue: (now) => issueClientToken(hiveKeys, { sub: "acme", issuer: ISSUER, now }),
    verify: (token, given) => verifyClientToken(hiveKeys, token, options(given)),
  },
  {
    name: "admin",
    typ: "hive-admin+jwt",
    audience: "hive:admin",
    maxTtlMs: 86_400_000,
    alg: "EdDSA",
    kid: hiveKeys.admin.kid,
    key: hiveKeys.admin.privateKey,
    issue: (now) => issueAdminToken(hiveKeys, { sub: "root", issuer: ISSUER, now }),
    verify: (token, given) => verifyAdminToken(hiveKeys, token, options(given)),
  },
  {
    name: "join",
    typ: "hive-join+jwt",
    audience: "hive:join",
    maxTtlMs: 3_600_000,
    alg: "EdDSA",
    kid: hiveKeys.join.kid,
    key: hiveKeys.join.privateKey,
    issue: (now) => issueJoinToken(hiveKeys, invitation, { issuer: ISSUER, now }),
    verify: (token, given) => verifyJoinToken(hiveKeys, token, options(given)),
  },
  {
    name: "host",
    typ: "hive-host+jwt",
    audience: "hive:hosts",
    maxTtlMs: 30_000,
    alg: "EdDSA",
    kid: hostKeys.kid,
    key: hostKeys.signingPrivateKey,
    issue: (now) =>
      signHostToken(hostKeys, {
        hostId: HOST,
        runId: "run-1",
        sequence: 7,
        bodySha256: BODY_SHA256,
        issuer: ISSUER,
        now,
      }),
    verify: (token, given) => verifyHostToken(hostKeys.signingKey, token, { ...options(given), hostId: HOST }),
  },
  {
    name: "leg",
    typ: "hive-edge+jwt",
    audience: `hive:host:${HOST}`,
    maxTtlMs: 30_000,
    alg: "HS256",
    kid: undefined,
    key: edgeLegKey,
    issue: (now) => signLegToken(edgeLegKey, { ...legClaims, issuer: ISSUER, now }),
    verify: (token, given) => verifyLegToken(edgeLegKey, token, { ...options(given), hostId: HOST }),
  },
  {
    name: "scale",
    typ: "hive-scale+jwt",
    audience: "hive:scaler",
    maxTtlMs: 60_000,
    alg: "EdDSA",
    kid: hiveKeys.join.kid,
    key: hiveKeys.join.privateKey,
    issue: (now) => issueScaleToken(hiveKeys, BODY_SHA256, { issuer: ISSUER, now }),
    verify: (token, given) => verifyScaleToken(hiveKeys.join, token, options(given)),
  },
  {
    name: "copy",
    typ: "hive-copy+jwt",
    audience: `hive:copy:${HOST}`,
    maxTtlMs: 3_600_000,
    alg: "HS256",
    kid: undefined,
    key: edgeLegKey,
    issue: (now) => issueCopyToken(edgeLegKey, { giver: HOST, taker: "ares", model: "m", issuer: ISSUER, now }),
    verify: (token, given) => verifyCopyToken(edgeLegKey, token, { ...options(given), giver: HOST }),
  },
];
