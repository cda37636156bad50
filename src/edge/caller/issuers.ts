// The trusted issuers of this isolate, each with its keys, and the way to fetch those.
import { RemoteKeys } from "../../auth/remote-keys.ts";
import type { Settings } from "../../wire/settings.ts";
import type { TrustedIssuer } from "../../wire/trusted-issuers.ts";

const FETCH_LIMIT_MS = 5_000;
const SET_MAX_CHARS = 256_000;

export interface KnownIssuer {
  readonly trusted: TrustedIssuer;
  readonly keys: RemoteKeys;
}

/** By the `iss` of their tokens. Throws, naming the variable, for keys that would not come over https. */
export function knowIssuers({ TRUSTED_ISSUERS, ALLOW_LOCAL_HOSTS, HIVE_ISSUER }: Settings): Map<string, KnownIssuer> {
  const known = new Map<string, KnownIssuer>();
  for (const trusted of TRUSTED_ISSUERS) {
    const { protocol, hostname } = new URL(trusted.jwks);
    if (protocol !== "https:" && !(ALLOW_LOCAL_HOSTS && hostname === "127.0.0.1"))
      throw new Error("TRUSTED_ISSUERS: jwks must be https");
    if (trusted.issuer === HIVE_ISSUER) throw new Error("TRUSTED_ISSUERS: an issuer has the name of this Hive");
    const fetchSet = async (): Promise<unknown> => await fetchJson(trusted.jwks);
    known.set(trusted.issuer, { trusted, keys: new RemoteKeys({ fetchSet, clock: Date.now, sleep }) });
  }
  return known;
}

async function fetchJson(url: string): Promise<unknown> {
  const signal = AbortSignal.timeout(FETCH_LIMIT_MS);
  const response = await fetch(url, { headers: { accept: "application/json" }, redirect: "manual", signal });
  if (response.status !== 200 || response.body === null) throw new Error("no key set");
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.length > SET_MAX_CHARS) throw new Error("too long for a key set");
  }
  return JSON.parse(text);
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
