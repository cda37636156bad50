// The key of an Ollama installation (~/.ollama/id_ed25519): its public half as OpenSSH writes it, and what it signs.
import { base64url } from "jose";
import type { Result } from "../wire/result.ts";
import { importVerifyingKey } from "./key-pair.ts";

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Wire form of RFC 8709: a string "ssh-ed25519", then a string of 32 bytes, each after its length in four bytes. */
const PREFIX = Uint8Array.from([0, 0, 0, 11, ...new TextEncoder().encode("ssh-ed25519"), 0, 0, 0, KEY_BYTES]);

/** The 32 bytes of a key in unpadded base64url, from the base64 part of its public line; undefined for any other text. */
export function readSshKey(encoded: string): string | undefined {
  const bytes = decode(encoded);
  if (bytes?.byteLength !== PREFIX.byteLength + KEY_BYTES) return undefined;
  return PREFIX.every((byte, at) => bytes[at] === byte)
    ? base64url.encode(bytes.subarray(PREFIX.byteLength))
    : undefined;
}

/** Reads a public key as people have it: the line of id_ed25519.pub, or its base64 part alone. */
export function readPublicKeyText(text: string): Result<string, string> {
  if (text.includes("PRIVATE KEY"))
    return { ok: false, error: "that is the private key; give the .pub file beside it" };
  const words = text.trim().split(/\s+/);
  const encoded = words[0] === "ssh-ed25519" ? words[1] : words[0];
  const key = readSshKey(encoded ?? "");
  return key === undefined
    ? { ok: false, error: "expected a public key such as `ssh-ed25519 AAAA…` (~/.ollama/id_ed25519.pub)" }
    : { ok: true, value: key };
}

/** Whether the holder of the key signed the text; `signature` in base64. Never throws. */
export async function isSignedBy(key: string, text: string, signature: string): Promise<boolean> {
  const bytes = decode(signature);
  if (bytes?.byteLength !== SIGNATURE_BYTES) return false;
  try {
    const verifying = await importVerifyingKey({ kty: "OKP", crv: "Ed25519", x: key });
    return await crypto.subtle.verify("Ed25519", verifying, bytes, new TextEncoder().encode(text));
  } catch {
    return false;
  }
}

function decode(encoded: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    // Spare bits in the last character would give one key several spellings.
    return btoa(String.fromCharCode(...bytes)) === encoded ? bytes : undefined;
  } catch {
    return undefined;
  }
}
