// Another issuer's tokens on plain workerd: keys over a real socket, many requests at once, and an issuer that goes away.
import { createServer } from "node:http";
import type { Server } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";

const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
const published = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
let fleet: TestFleet;
let server: Server;
let fetches = 0;
let issuer: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    fetches += 1;
    if (request.url === "/moved") response.writeHead(302, { location: "/keys" }).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: [published] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  issuer = `http://127.0.0.1:${String(typeof address === "object" && address !== null ? address.port : 0)}`;
  const trusted = { issuer, audience: "hive", jwks: `${issuer}/keys` };
  const elsewhere = { issuer: "https://elsewhere.example", audience: "hive", jwks: `${issuer}/moved` };
  fleet = await startFleet({ TRUSTED_ISSUERS: JSON.stringify([trusted, elsewhere]) });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await fleet.close();
});

async function ask(kid: string, iss = issuer): Promise<number> {
  const now = Math.floor(Date.now() / 1000);
  const token = await new SignJWT({ iss, aud: "hive", sub: "ann", iat: now, exp: now + 600, jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: "ES256", kid })
    .sign(privateKey);
  const response = await fetch(`${fleet.url}/api/tags`, { headers: { authorization: `Bearer ${token}` } });
  await response.body?.cancel();
  return response.status;
}

it("follows no redirect to keys [T7]", async () => {
  expect(await ask("k1", "https://elsewhere.example")).toBe(401);
});

it("lets 60 in at once over one fetch of keys, turns made-up ids away without another, and goes on when the issuer is gone [T16]", async () => {
  const before = fetches;
  const first = await Promise.all(Array.from({ length: 60 }, async () => await ask("k1")));
  expect([new Set(first), fetches - before]).toEqual([new Set([200]), 1]);
  const flood = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => await ask(`made-up-${String(index)}`)),
  );
  expect(new Set(flood)).toEqual(new Set([401]));
  expect(fetches - before).toBe(1);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(await ask("k1")).toBe(200);
});
