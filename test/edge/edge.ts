// The edge inside workerd, called without a socket: its app with keys, variables and a cell, and tokens of every kind.
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env as workerEnv } from "cloudflare:workers";
import { issueAdminToken } from "../../src/auth/admin-token.ts";
import type { AdminTokenRequest } from "../../src/auth/admin-token.ts";
import { issueClientToken } from "../../src/auth/client-token.ts";
import type { ClientTokenRequest } from "../../src/auth/client-token.ts";
import { generateHostKeys, importHostKeys } from "../../src/auth/host-token.ts";
import type { HostKeys } from "../../src/auth/host-token.ts";
import { issueJoinToken } from "../../src/auth/join-token.ts";
import { generateHiveKeys, importHiveKeys } from "../../src/auth/keys.ts";
import type { HiveKeys } from "../../src/auth/keys.ts";
import { app } from "../../src/edge/app.ts";
import type { Env } from "../../src/edge/env.ts";
import { ONE_CELL } from "../../src/wire/cells.ts";
import { cellOf } from "../../src/edge/env.ts";
import type { CellRpc } from "../../src/wire/cell-rpc.ts";
import type { Result } from "../../src/wire/result.ts";

export const ISSUER = "hive";
export const ORIGIN = "https://hive.example.com";

export interface TestEdge {
  readonly env: Env;
  readonly keys: HiveKeys;
  /** A fresh stub. */
  cell(): CellRpc;
  client(claims?: Partial<ClientTokenRequest>): Promise<string>;
  admin(claims?: Partial<AdminTokenRequest>): Promise<string>;
  invite(hostId: string, url?: string): Promise<string>;
  /** Calls as a browser or program would; `from` is the client's address. */
  call(path: string, init?: CallInit): Promise<Response>;
}

export interface CallInit {
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
  readonly body?: BodyInit;
  readonly from?: string;
}

/** An edge with keys of its own. */
export async function startEdge(vars: Record<string, string> = {}): Promise<TestEdge> {
  const text = JSON.stringify(await generateHiveKeys(Date.now()));
  const keys = valueOf(await importHiveKeys(text));
  const env = { ...(workerEnv as unknown as Env), HIVE_KEYS: text, HOST_DOMAINS: "hosts.example.com", ...vars };
  const now = (): number => Date.now();
  return {
    env,
    keys,
    cell: () => cellOf(env, ONE_CELL),
    client: async (claims = {}) => await issueClientToken(keys, { issuer: ISSUER, now: now(), sub: "acme", ...claims }),
    admin: async (claims = {}) => await issueAdminToken(keys, { issuer: ISSUER, now: now(), sub: "root", ...claims }),
    invite: async (hostId, url = `https://${hostId}.hosts.example.com`) =>
      await issueJoinToken(keys, { hostId, url, pool: "default", region: "any" }, { issuer: ISSUER, now: now() }),
    call: async (path, { method = "GET", token, headers = {}, body, from = "203.0.113.7" } = {}) => {
      const sent = new Headers({ "cf-connecting-ip": from, ...headers });
      if (token !== undefined) sent.set("authorization", `Bearer ${token}`);
      const ctx = createExecutionContext();
      const request = new Request(ORIGIN + path, { method, headers: sent, ...(body === undefined ? {} : { body }) });
      const response = await app.fetch(request, env, ctx);
      await waitOnExecutionContext(ctx);
      return response;
    },
  };
}

/** Fresh keys of a host. */
export async function makeHostKeys(): Promise<HostKeys> {
  return valueOf(await importHostKeys(await generateHostKeys()));
}

export function valueOf<Value>(result: Result<Value, unknown>): Value {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
