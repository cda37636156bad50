// Route by role: the published table is what the edge does, and what it does not list is denied.
import { beforeAll, describe, expect, it } from "vitest";
import { sha256Base64Url } from "../../src/auth/digest.ts";
import { signHostToken } from "../../src/auth/host-token.ts";
import type { HostKeys } from "../../src/auth/host-token.ts";
import { app } from "../../src/edge/app.ts";
import { ENDPOINTS } from "../../src/edge/endpoints.ts";
import { ROUTES } from "../../src/wire/routes.ts";
import type { Route } from "../../src/wire/routes.ts";
import { ISSUER, makeHostKeys, startEdge } from "./edge.ts";
import type { TestEdge } from "./edge.ts";

const BODY = "{}";
const HOUR_SECONDS = 3600;
const now = () => Math.floor(Date.now() / 1000);
let edge: TestEdge;
let hostKeys: HostKeys;

/** Who comes, and with what token; each row of the matrix. */
const COMERS: Record<string, () => Promise<string | undefined>> = {
  nobody: async () => undefined,
  "a dummy": async () => "ollama",
  "a client": async () => await edge.client(),
  "a managing client": async () => await edge.client({ scope: ["inference", "manage"] }),
  "an autoscaler": async () => await edge.client({ scope: ["scale"] }),
  "an operator": async () => await edge.admin(),
  "an operator who may read": async () => await edge.admin({ scopes: ["read"] }),
  "an operator for hosts": async () => await edge.admin({ scopes: ["hosts"] }),
  "an operator for tokens": async () => await edge.admin({ scopes: ["tokens"] }),
  "an autoscaler that may name hosts": async () => await edge.client({ scope: ["scale"], hosts: true }),
  "an operator who may do nothing": async () => await edge.admin({ scopes: [] }),
  "an invited host": async () => await edge.invite("h1"),
  "a host": async () =>
    await signHostToken(hostKeys, {
      hostId: "h1",
      runId: "run-1",
      sequence: 1,
      bodySha256: await sha256Base64Url(new TextEncoder().encode(BODY)),
      issuer: ISSUER,
      now: Date.now(),
    }),
  "an expired client": async () => await edge.client({ iat: now() - 2 * HOUR_SECONDS, exp: now() - HOUR_SECONDS }),
  "an expired operator": async () => await edge.admin({ iat: now() - 2 * HOUR_SECONDS, exp: now() - HOUR_SECONDS }),
  "a client of another Hive": async () => await edge.client({ issuer: "other" }),
  "an operator of another Hive": async () => await edge.admin({ issuer: "other" }),
};
const CLIENTS = ["a client", "a managing client"];
const OPERATORS = ["an operator", "an operator for hosts"];
/** Operators whose tokens are limited, by their one scope. */
const LIMITED: Readonly<Record<string, string>> = {
  "an operator who may read": "read",
  "an operator for hosts": "hosts",
  "an operator for tokens": "tokens",
};

/** What the table promises, spelled out apart from the code that keeps it. */
function isPromised({ access, scope, method }: Route, comer: string): boolean {
  switch (access) {
    case "none":
      return true;
    case "invite":
      return comer === "an invited host";
    case "host":
      return comer === "a host";
    case "client":
      if (comer === "an operator who may read") return method === "GET" || method === "HEAD";
      return CLIENTS.includes(comer) || OPERATORS.includes(comer);
    case "manage":
      return comer === "a managing client" || OPERATORS.includes(comer);
    case "scale":
      return comer.startsWith("an autoscaler") || ["an operator", "an operator who may read"].includes(comer);
    case "admin":
      return comer === "an operator" || (scope !== undefined && LIMITED[comer] === scope);
  }
}

beforeAll(async () => {
  edge = await startEdge();
  hostKeys = await makeHostKeys();
  const { signingKey, agreementKey } = hostKeys;
  const registration = { id: "h1", url: "https://h1.hosts.example.com", pool: "default", region: "any" };
  await edge.cell().joinHost({ ...registration, signingKey, agreementKey, registeredAt: 1, drained: false }, "t1");
});

const concrete = (path: string) =>
  path.replace("/hosts/:id/", "/hosts/h1/").replaceAll(/:\w+(\{\.\+\})?/g, "unknown-thing");

describe("the route table [T14]", () => {
  // Streams and upgrades do not end: that nobody uninvited gets in is what is asked of all.
  it.each(ROUTES.map((route) => [`${route.method} ${route.path}`, route] as const))(
    "%s lets in whom it says",
    async (_, route) => {
      for (const [comer, tokenOf] of Object.entries(COMERS)) {
        const token = await tokenOf();
        const hasBody = route.method !== "GET" && route.method !== "HEAD";
        const response = await edge.call(concrete(route.path), {
          method: route.method,
          from: comer,
          ...(token === undefined ? {} : { token }),
          ...(hasBody ? { body: BODY } : {}),
        });
        await response.body?.cancel();
        const entered = response.status !== 401 && response.status !== 403;
        expect({ comer, entered }, String(response.status)).toEqual({ comer, entered: isPromised(route, comer) });
      }
    },
  );

  it("has a row for every route that is registered, and a handler for every row", () => {
    const registered = app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path}`);
    // Hono answers HEAD with the handler of GET.
    const rows = ROUTES.map(({ method, path }) => `${method === "HEAD" ? "GET" : method} ${path}`);
    expect([...new Set(registered)].toSorted()).toEqual([...new Set(rows)].toSorted());
    for (const path of ENDPOINTS.keys()) expect(registered).toContain(`POST ${path}`);
  });

  it("says who asks, not whose account a host has, to those who may push [T24]", async () => {
    const token = await edge.client({ sub: "acme", scope: ["inference", "manage"] });
    const told = await edge.call("/api/me", { method: "POST", token });
    expect([told.status, await told.json()]).toEqual([200, { name: "acme" }]);
    expect((await edge.call("/api/me", { method: "POST", token: await edge.client() })).status).toBe(403);
  });

  it("denies what it does not have, to whoever asks, and tells nobody more than Ollama would [T24]", async () => {
    const unlisted = [
      ["POST", "/api/signout"],
      ["DELETE", "/api/user/keys/abc"],
      ["POST", "/api/experimental/web_search"],
      ["POST", "/api/experimental/web_fetch"],
      ["GET", "/debug/pprof"],
      ["GET", "/hive/v1/keys"],
      ["POST", "/hive/v1/fleet"],
      ["GET", "/hive/v1/hosts/h1/heartbeat"],
      ["GET", "/.env"],
      ["TRACE", "/api/tags"],
    ] as const;
    for (const [method, path] of unlisted) {
      if (method === "TRACE") continue;
      const nobody = await edge.call(path, { method });
      expect([path, nobody.status]).toEqual([path, 401]);
      for (const token of [await edge.client({ scope: ["inference", "manage"] }), await edge.admin()]) {
        const response = await edge.call(path, { method, token });
        expect([404, 405], path).toContain(response.status);
      }
    }
  });

  it("issues no operator's token that may more than the one that asks for it", async () => {
    const issue = async (scopes: readonly string[], wanted: object) => {
      const body = JSON.stringify({ role: "admin", sub: "mole", ...wanted });
      const token = await edge.admin({ scopes: [...scopes] });
      return (await edge.call("/hive/v1/tokens", { method: "POST", token, body })).status;
    };
    for (const wanted of [{}, { scopes: ["*"] }, { scopes: ["hosts"] }, { scopes: ["tokens", "read"] }])
      expect([wanted, await issue(["tokens"], wanted)]).toEqual([wanted, 403]);
    expect(await issue(["tokens"], { scopes: ["tokens"] })).toBe(201);
    expect(await issue(["tokens", "read"], { scopes: ["read"] })).toBe(201);
    expect(await issue(["*"], {})).toBe(201);
    expect(await issue(["*"], { expires: "25h" })).toBe(400);
  });

  it("reads no token from a query, nor from a path unless issued for one [T17]", async () => {
    const token = await edge.client();
    for (const query of [`token=${token}`, `access_token=${token}`, `key=${token}`, `api_key=${token}`]) {
      expect((await edge.call(`/api/tags?${query}`)).status).toBe(401);
    }
    expect((await edge.call(`/k/${token}/api/tags`)).status).toBe(401);
    expect((await edge.call(`/k/${await edge.admin()}/hive/v1/fleet`)).status).toBe(401);
    expect((await edge.call(`/k/${await edge.client({ url: true })}/api/tags`)).status).toBe(200);
  });
});
