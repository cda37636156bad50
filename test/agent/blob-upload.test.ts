// Blobs flow through the agent: nothing is held, Ollama's words come back, and only a token for this very blob opens the way.
import { createHash, randomBytes } from "node:crypto";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { LEG_TOKEN_HEADER } from "../../src/wire/leg.ts";
import { startHost, takeApart, until } from "./fixture.ts";
import type { TestHost } from "./fixture.ts";

const MB = 1_000_000;
const hexOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const pathOf = (hex: string): string => `/api/blobs/sha256:${hex}`;

/** A leg whose body is written piece by piece; `claims` bend its token. */
async function open(host: TestHost, hex: string, claims: object = {}, length?: number) {
  const bodySha256 = Buffer.from(hex, "hex").toString("base64url");
  const path = pathOf(hex);
  const token = await host.edge.sign({ body: new Uint8Array(0), bodySha256, path, scope: "manage", ...claims });
  const headers = { [LEG_TOKEN_HEADER]: token, ...(length === undefined ? {} : { "content-length": length }) };
  const request = httpRequest({
    port: host.agent.port,
    host: "127.0.0.1",
    path,
    method: "POST",
    headers,
    agent: false,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.on("error", reject);
  });
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of await answered) text += String(chunk);
    return text;
  };
  return { request, answered, read };
}

it("accepts before the first byte, stores what comes in pieces without a length, and says what Ollama says", async () => {
  await using host = await startHost();
  const blob = randomBytes(3 * MB);
  const { request, answered, read } = await open(host, hexOf(blob));
  request.flushHeaders();
  expect((await answered).statusCode).toBe(200);
  for (let at = 0; at < blob.length; at += 500_000) request.write(blob.subarray(at, at + 500_000));
  request.end();
  expect(takeApart(await read()).head.status).toBe(201);
  const again = await open(host, hexOf(blob), {}, blob.length);
  again.request.end(blob);
  expect(takeApart(await again.read()).head).toMatchObject({ status: 200 });
});

it("reads to the end what is there already, so that its connection serves the next request", async () => {
  await using host = await startHost();
  // More than the buffers of sockets hold.
  const blob = randomBytes(30 * MB);
  const first = await open(host, hexOf(blob), {}, blob.length);
  first.request.end(blob);
  expect(takeApart(await first.read()).head.status).toBe(201);
  const path = pathOf(hexOf(blob));
  const bodySha256 = Buffer.from(hexOf(blob), "hex").toString("base64url");
  const token = await host.edge.sign({ body: new Uint8Array(0), bodySha256, path, scope: "manage" });
  const socket = connect(host.agent.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += String(chunk)));
  socket.on("error", () => undefined);
  const head = `POST ${path} HTTP/1.1\r\nhost: agent\r\ncontent-length: ${blob.length}\r\n`;
  socket.write(`${head}${LEG_TOKEN_HEADER}: ${token}\r\n\r\n`);
  socket.write(blob.subarray(0, MB));
  await until("it is answered", () => text.includes('"status":200'));
  socket.write(blob.subarray(MB));
  socket.write("POST /next HTTP/1.1\r\nhost: agent\r\ncontent-length: 0\r\n\r\n");
  await until("the next request is answered", () => text.includes("HTTP/1.1 401"));
  socket.destroy();
});

it("passes on that the digest is wrong", async () => {
  await using host = await startHost();
  const { request, read } = await open(host, "0".repeat(64));
  request.end("something else");
  const { head, body } = takeApart(await read());
  expect(head.status).toBe(400);
  expect(JSON.parse(body)).toEqual({
    error: `digest mismatch, expected "sha256:${"0".repeat(64)}", got "sha256:${hexOf(Buffer.from("something else"))}"`,
  });
});

it("takes no token without scope manage, for another blob, or for another path [T2 T24]", async () => {
  await using host = await startHost();
  const blob = Buffer.from("a blob");
  const other = createHash("sha256").update("another").digest("base64url");
  for (const claims of [{ scope: undefined }, { bodySha256: other }, { path: pathOf("1".repeat(64)) }]) {
    const { request, answered } = await open(host, hexOf(blob), claims, blob.length);
    request.end(blob);
    expect((await answered).statusCode).toBe(401);
  }
  expect(host.ollama.requests.some(({ url }) => url.startsWith("/api/blobs"))).toBe(false);
});

it("needs no slot, and ends at Ollama when the edge leaves in the middle", async () => {
  await using host = await startHost({ agent: { slots: 1 } });
  const { request, answered } = await open(host, "2".repeat(64), { leaseId: "upload" });
  request.write(randomBytes(MB));
  await answered;
  await host.edge.beat((beat) => beat.active.some(({ id, model }) => id === "upload" && model === ""));
  request.on("error", () => undefined);
  const from = host.edge.beats.length;
  request.destroy();
  await host.edge.beat(({ active }) => active.length === 0, from);
  await until("Ollama sees it", () =>
    host.ollama.requests.some(({ url, closedByClient }) => url.startsWith("/api/blobs") && closedByClient),
  );
});

it("tells the edge that Ollama is away", async () => {
  await using host = await startHost();
  await host.ollama.setFault({ kind: "refuse" });
  const { request, read } = await open(host, "3".repeat(64));
  request.end("x");
  expect(takeApart(await read()).head).toMatchObject({ status: 502, failure: "ollama: ECONNREFUSED" });
});
