// The signature that the `ollama` command line puts on its requests when OLLAMA_AUTH=1: method, path and time, with the
// installation's own key. It covers neither body nor host and can be repeated while it is fresh, so it proves who asks, over TLS.
import { isSignedBy, readSshKey } from "../../auth/ollama-key.ts";

/** How far its time may be from ours, either way. */
const FRESH_MS = 60_000;
/** A key in OpenSSH's wire form is 68 characters of base64, a signature 88. */
const HEADER = /^([A-Za-z0-9+/=]{68}):([A-Za-z0-9+/=]{88})$/;

export interface OllamaSignature {
  /** The key that it claims to be of, 32 bytes in base64url. */
  readonly key: string;
  readonly text: string;
  readonly signature: string;
}

/** Reads it from a request if it carries one that is fresh; `path` is the path without the prefix of a base URL. */
export function readOllamaSignature(request: Request, path: string, now: number): OllamaSignature | undefined {
  const [, encoded, signature] = HEADER.exec(request.headers.get("authorization") ?? "") ?? [];
  if (encoded === undefined || signature === undefined) return undefined;
  const key = readSshKey(encoded);
  const seconds = new URL(request.url).searchParams.get("ts") ?? "";
  if (key === undefined || !/^\d{1,12}$/.test(seconds)) return undefined;
  if (Math.abs(Number(seconds) * 1000 - now) > FRESH_MS) return undefined;
  return { key, text: `${request.method},${path}?ts=${seconds}`, signature };
}

/** Whether the key that it names made it. */
export async function isGenuine({ key, text, signature }: OllamaSignature): Promise<boolean> {
  return await isSignedBy(key, text, signature);
}
