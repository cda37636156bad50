// TUNNEL_ACCESS: the service token of an Access policy that stands before the hosts' tunnels.
import type { Result } from "./result.ts";

/** The headers that such a policy asks for; none where there is none. The error never has the secret in it. */
export function readTunnelAccess(secret: unknown): Result<Readonly<Record<string, string>>, string> {
  if (secret === undefined || secret === null || secret === "") return { ok: true, value: {} };
  const [, id, value] = /^([\x21-\x39\x3b-\x7e]+):([\x21-\x7e]+)$/.exec(typeof secret === "string" ? secret : "") ?? [];
  if (id === undefined || value === undefined)
    return { ok: false, error: "TUNNEL_ACCESS: expected CLIENT_ID:CLIENT_SECRET" };
  return { ok: true, value: { "cf-access-client-id": id, "cf-access-client-secret": value } };
}
