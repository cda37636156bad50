// Turns a token into a caller. A verified token is remembered per isolate until it expires: one signature check, not one per request.
import { verifyAdminToken } from "../auth/admin-token.ts";
import { verifyClientToken } from "../auth/client-token.ts";
import type { Credential } from "./credentials.ts";
import type { Caller, Prepared } from "./env.ts";

/** Most verified tokens remembered; beyond it the oldest goes. About 1 KB each. */
const REMEMBERED_MAX = 5_000;

interface Remembered {
  readonly caller: Caller;
  readonly expiresAt: number;
  readonly inPath: boolean;
}

const remembered = new Map<string, Remembered>();

/** The caller behind the first valid credential, or undefined. */
export async function findCaller(
  prepared: Prepared,
  credentials: readonly Credential[],
  now: number,
): Promise<Caller | undefined> {
  for (const credential of credentials) {
    const known = remembered.get(credential.token) ?? (await verify(prepared, credential.token, now));
    if (known === undefined) continue;
    if (known.expiresAt <= now) {
      remembered.delete(credential.token);
      continue;
    }
    // A token in a path ends up in histories and logs of others: only those issued for it are taken there.
    if (credential.from === "path" && !known.inPath) continue;
    remember(credential.token, known);
    return known.caller;
  }
  return undefined;
}

async function verify(prepared: Prepared, token: string, now: number): Promise<Remembered | undefined> {
  const expected = { issuer: prepared.settings.HIVE_ISSUER, now };
  const client = await verifyClientToken(prepared.keys, token, expected);
  if (client.ok) {
    const { jti, sub, exp, scope, models, priority, pool, url } = client.value;
    const principal = { tokenId: jti, tenant: sub, priority, pool };
    return {
      caller: { role: "client", principal, models, scopes: scope },
      expiresAt: exp * 1000,
      inPath: url === true,
    };
  }
  const admin = await verifyAdminToken(prepared.keys, token, expected);
  if (!admin.ok) return undefined;
  const { jti, sub, exp, scopes } = admin.value;
  const principal = { tokenId: jti, tenant: sub, priority: "high", pool: "*" } as const;
  return { caller: { role: "admin", principal, models: ["*"], scopes }, expiresAt: exp * 1000, inPath: false };
}

function remember(token: string, known: Remembered): void {
  if (remembered.has(token)) return;
  if (remembered.size >= REMEMBERED_MAX) {
    const oldest = remembered.keys().next();
    if (!oldest.done) remembered.delete(oldest.value);
  }
  remembered.set(token, known);
}
