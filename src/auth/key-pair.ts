// Curve25519 key pairs as private JWKs, and their import as keys that cannot be exported again.
import type { CryptoKey } from "jose";
import { base64url, calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import * as z from "zod";
import type { PublicKey } from "../wire/host.ts";

const COORDINATE = /^[A-Za-z0-9_-]{43}$/;
/** The base point of X25519 (RFC 7748, u = 9): multiplying by it gives the public half of a private key. */
const X25519_BASE_POINT = base64url.encode(Uint8Array.of(9, ...new Uint8Array(31)));

/** Private key as JWK (RFC 8037). */
export const privateKeySchema = z.object({
  kty: z.literal("OKP"),
  crv: z.enum(["Ed25519", "X25519"]),
  x: z.string().regex(COORDINATE),
  d: z.string().regex(COORDINATE),
  kid: z.string().min(1).max(100).optional(),
});
export type PrivateKeyJson = z.infer<typeof privateKeySchema>;

/** Makes a key pair and returns it as a private JWK. */
export async function generatePrivateKey(crv: PublicKey["crv"]): Promise<PrivateKeyJson> {
  const pair =
    crv === "Ed25519"
      ? await generateKeyPair("EdDSA", { crv, extractable: true })
      : await generateKeyPair("ECDH-ES", { crv, extractable: true });
  const { kty, x, d } = await exportJWK(pair.privateKey);
  return privateKeySchema.parse({ kty, crv, x, d });
}

/** The public half of a private JWK. */
export function publicHalf({ kty, crv, x }: PrivateKeyJson): PublicKey {
  return { kty, crv, x };
}

/** RFC 7638 thumbprint (SHA-256) of a public key. */
export async function thumbprintOf(key: PublicKey): Promise<string> {
  return calculateJwkThumbprint({ kty: key.kty, crv: key.crv, x: key.x });
}

/** Imports an Ed25519 public key for verifying. */
export async function importVerifyingKey({ kty, crv, x }: PublicKey): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", { kty, crv, x }, { name: "Ed25519" }, false, ["verify"]);
}

/** Imports an X25519 public key as the peer of an agreement. */
export async function importPeerKey({ kty, crv, x }: PublicKey): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", { kty, crv, x }, { name: "X25519" }, false, []);
}

/** Imports an Ed25519 pair; throws where the halves do not belong together. */
export async function importSigningPair(key: PrivateKeyJson): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const { kty, crv, x, d } = key;
  const privateKey = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: "Ed25519" }, false, ["sign"]);
  const publicKey = await importVerifyingKey(publicHalf(key));
  const probe = new Uint8Array(1);
  const signature = await crypto.subtle.sign("Ed25519", privateKey, probe);
  if (!(await crypto.subtle.verify("Ed25519", publicKey, signature, probe))) throw new Error("halves do not match");
  return { privateKey, publicKey };
}

/** Imports the private half of an X25519 pair; throws where the halves do not belong together. */
export async function importAgreementKey(key: PrivateKeyJson): Promise<CryptoKey> {
  const { kty, crv, x, d } = key;
  const algorithm = { name: "X25519" };
  const privateKey = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, algorithm, false, ["deriveBits"]);
  const basePoint = await importPeerKey({ kty, crv: "X25519", x: X25519_BASE_POINT });
  const derived = await crypto.subtle.deriveBits({ name: "X25519", public: basePoint }, privateKey, 256);
  if (base64url.encode(new Uint8Array(derived)) !== x) throw new Error("halves do not match");
  return privateKey;
}
