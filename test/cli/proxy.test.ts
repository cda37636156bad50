// `hive proxy` beside its neighbours on the machine: it lends its token, and neither gives it away nor opens operators' routes.
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startProxy, targetOf } from "../../src/cli/proxy-server.ts";
import type { Proxy } from "../../src/cli/proxy-server.ts";

const TOKEN = "the-token";
let received: Pick<IncomingMessage, "url" | "headers" | "method">[];
let edge: { readonly url: string; close(): void };
let proxy: Proxy;

beforeEach(async () => {
  received = [];
  const server = createServer((request, response) => {
    received.push({ url: request.url ?? "", headers: request.headers, method: request.method ?? "" });
    response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  edge = {
    url: `http://127.0.0.1:${String(port)}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  proxy = await open(edge.url);
});
afterEach(async () => {
  await proxy.close();
  edge.close();
});

async function open(url: string): Promise<Proxy> {
  return await startProxy({ port: 0, edge: url, token: async () => await Promise.resolve(TOKEN) });
}

/** The status line of the answer to a request whose target is written just so. */
async function ask(target: string, headers = "Host: localhost", through = proxy): Promise<string> {
  const socket = connect(through.port, "127.0.0.1");
  socket.write(`GET ${target} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`);
  let text = "";
  for await (const piece of socket as AsyncIterable<Buffer>) text += piece.toString("latin1");
  return text.split("\r\n")[0] ?? "";
}

describe("hive proxy [T14 T9]", () => {
  it.each([
    "/hive/v1/fleet",
    "//hive/v1/fleet",
    "///hive//v1/fleet",
    "/x/../hive/v1/fleet",
    "/x/%2e%2e/hive/v1/fleet",
    "/./hive/v1/fleet",
    "/\\hive/v1/fleet",
    "/h/gpu1/hive/v1/fleet",
    "/k/a.b.c/hive/v1/fleet",
    "/k/a.b.c/h/gpu1/hive/v1/fleet",
    "//k/a.b.c//h/gpu1//hive/metrics",
    "/hive",
    "/hive?x=/api",
  ])("opens no route of operators, however it is written: %s", async (target) => {
    expect(await ask(target)).toMatch(/^HTTP\/1\.1 404 /);
    expect(received).toEqual([]);
  });

  it("opens none behind a base URL with a key or a host either", async () => {
    const keyed = await open(`${edge.url}/k/a.b.c/h/gpu1`);
    expect(await ask("/hive/v1/fleet", "Host: localhost", keyed)).toMatch(/ 404 /);
    expect(await ask("/api/tags", "Host: localhost", keyed)).toMatch(/ 200 /);
    expect(received.map(({ url }) => url)).toEqual(["/k/a.b.c/h/gpu1/api/tags"]);
    await keyed.close();
  });

  it("sends its token to the edge alone, whatever target is asked for", async () => {
    const port = new URL(edge.url).port;
    const targets = [
      `http://127.0.0.1:${port}/api/tags`,
      "http://evil.example/api/tags",
      "evil://x/",
      "@evil.example/",
      ".evil.example/",
      ":1/x",
      "*",
      "?x",
    ];
    for (const target of targets) expect([target, await ask(target)]).not.toEqual([target, "HTTP/1.1 200 OK"]);
    expect(received).toEqual([]);
    // Beside the edge's name it would be another's: hive.example.com, where hive.example.co is meant.
    expect(targetOf("https://hive.example.co", "m://evil/")).toBeUndefined();
    expect(targetOf("https://hive.example.co", "/m://evil/")?.host).toBe("hive.example.co");
  });

  it("passes on what clients may call, also where it is called like an operator's route", async () => {
    const targets = ["/api/tags", "/v1/models/hive", "/h/hive/api/tags", "//api/tags", "/hiveish"];
    for (const target of targets) expect([target, await ask(target)]).toEqual([target, "HTTP/1.1 200 OK"]);
    expect(received.map(({ headers }) => headers.authorization)).toEqual(targets.map(() => `Bearer ${TOKEN}`));
  });

  it("answers nobody who reaches it under a name that is not this machine's", async () => {
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:11434", ""])
      expect([host, await ask("/api/tags", `Host: ${host}`)]).toEqual([host, "HTTP/1.1 403 Forbidden"]);
    expect(received).toEqual([]);
  });
});
