// Where a client may put its token; the first valid one wins, a dummy elsewhere does not spoil it.
import type { ClientPath } from "./client-path.ts";

export type Credential =
  | { readonly token: string; readonly from: "path" | "bearer" | "basic" | "api-key" }
  /** In a header of its own, as an issuer's proxy puts it there. */
  | { readonly token: string; readonly from: "assertion"; readonly header: string }
  /** The registered token of the key that has signed the request. */
  | { readonly token: string; readonly from: "signature"; readonly key: string };

/** Every credential a request carries, in the order in which they are tried. Query strings never authenticate. */
export function readCredentials(headers: Headers, path: ClientPath, assertedIn: readonly string[] = []): Credential[] {
  const found: Credential[] = [];
  if (path.key !== undefined) found.push({ token: path.key, from: "path" });
  const authorization = headers.get("authorization");
  const bearer = authorization === null ? null : /^bearer +(\S+)$/i.exec(authorization);
  if (bearer?.[1] !== undefined) found.push({ token: bearer[1], from: "bearer" });
  const basic = authorization === null ? null : /^basic +([A-Za-z0-9+/=]+)$/i.exec(authorization);
  if (basic?.[1] !== undefined) found.push(...readBasic(basic[1]));
  const apiKey = headers.get("x-api-key");
  if (apiKey !== null && apiKey !== "") found.push({ token: apiKey, from: "api-key" });
  return found.concat(readAssertions(headers, assertedIn));
}

function readAssertions(headers: Headers, assertedIn: readonly string[]): Credential[] {
  return assertedIn.flatMap((header): Credential[] => {
    const token = headers.get(header);
    return token === null || token === "" ? [] : [{ token, from: "assertion", header }];
  });
}

/** The token is the password; programs that know only a user name put it there. */
function readBasic(encoded: string): Credential[] {
  let text: string;
  try {
    text = atob(encoded);
  } catch {
    return [];
  }
  const colon = text.indexOf(":");
  const user = colon < 0 ? text : text.slice(0, colon);
  const password = colon < 0 ? "" : text.slice(colon + 1);
  return [password, user].filter((token) => token !== "").map((token) => ({ token, from: "basic" as const }));
}
