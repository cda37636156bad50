// Digests that bind a token to the bytes it travels with.
import { base64url } from "jose";

/** SHA-256 of the bytes in unpadded base64url, 43 characters. */
export async function sha256Base64Url(bytes: Uint8Array): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", inOwnMemory(bytes))));
}

/** The same memory where it is nobody else's: a body of 25 MB is not copied to be hashed. */
function inOwnMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, byteLength) : new Uint8Array(bytes);
}
