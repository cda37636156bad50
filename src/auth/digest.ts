// Digests that bind a token to the bytes it travels with.
import { base64url } from "jose";

/** SHA-256 of the bytes in unpadded base64url, 43 characters. */
export async function sha256Base64Url(bytes: Uint8Array): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))));
}
