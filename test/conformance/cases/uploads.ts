// Cases about bodies that are no plain JSON: blobs as streams, compressed requests, forms.
import { createHash, randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect } from "vitest";
import { anyHost, simulatedOnly } from "../case.ts";
import type { ConformanceCase } from "../case.ts";
import { expectSame, json } from "../exchange.ts";

/** Twice MAX_BODY: what is held back anywhere would show. */
const BLOB_PIECES = 64;
const PIECE_BYTES = 1_000_000;

/** A body that comes piece by piece, so that its length is nowhere declared. */
function inPieces(piece: Uint8Array, count: number): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (sent === count) return controller.close();
      sent += 1;
      controller.enqueue(piece);
    },
  });
}

const blobs = simulatedOnly(
  29,
  "a blob without declared length streams through to the host where create finds it",
  async (world) => {
    const headers = { authorization: `Bearer ${world.manageToken}` };
    const piece = new Uint8Array(randomBytes(PIECE_BYTES));
    const hash = createHash("sha256");
    for (let count = 0; count < BLOB_PIECES; count += 1) hash.update(piece);
    const digest = `sha256:${hash.digest("hex")}`;
    const path = `/api/blobs/${digest}`;
    await expectSame(world, { method: "HEAD", path, headers });
    const upload = { method: "POST", headers, body: inPieces(piece, BLOB_PIECES), duplex: "half" as const };
    const stored = await fetch(world.fleet.url + path, upload);
    expect([stored.status, await stored.text()]).toEqual([201, ""]);
    const builder = stored.headers.get("hive-hosts");
    expect((await world.send({ method: "HEAD", path, headers })).status).toBe(200);
    const again = await world.send({ path, body: piece, headers });
    expect([again.status, await again.text()]).toEqual([200, ""]);
    for (const wrong of [`/api/blobs/sha256:${"0".repeat(64)}`, "/api/blobs/sha256:12"])
      expect((await expectSame(world, { path: wrong, body: "other bytes", headers })).status).toBe(400);
    const body = json({ model: "built", files: { "model.gguf": digest }, stream: false });
    const created = await world.send({ path: "/api/create", body, headers });
    expect([created.status, await created.json()]).toEqual([200, { status: "success" }]);
    expect(created.headers.get("hive-hosts")).toBe(builder);
    const holders = world.fleet.hosts.filter(({ ollama }) =>
      ollama.models().some(({ name }) => name.includes("built")),
    );
    expect(holders.map(({ id }) => id)).toEqual([builder]);
    expect((await world.send({ path: "/api/blobs/none", body: "x" })).status).toBe(403);
    await world.send({ method: "DELETE", path: "/api/delete", body: json({ model: "built" }), headers });
  },
);

const messages = [{ role: "user", content: "Why is the sky blue?" }];

const compressed = anyHost(38, "zstd is decoded where Ollama decodes it, and gzip nowhere", async (world) => {
  const model = world.models.chat;
  const chat = json({ model, messages, max_tokens: 8, seed: 7, temperature: 0 });
  const response = json({ model, input: "Why?", max_output_tokens: 8, temperature: 0 });
  const zstd = { "content-encoding": "zstd" };
  const packed = (text: string) => new Uint8Array(zstdCompressSync(text));
  expect((await expectSame(world, { path: "/v1/chat/completions", body: packed(chat), headers: zstd })).status).toBe(
    200,
  );
  expect((await expectSame(world, { path: "/v1/responses", body: packed(response), headers: zstd })).status).toBe(200);
  expect((await expectSame(world, { path: "/api/chat", body: packed(chat), headers: zstd })).status).toBe(400);
  const gzip = { "content-encoding": "gzip" };
  for (const path of ["/v1/chat/completions", "/api/chat"])
    expect((await expectSame(world, { path, body: new Uint8Array(gzipSync(chat)), headers: gzip })).status).toBe(400);
});

const forms = simulatedOnly(
  39,
  "a form is routed by the model in it, and a broken one told as a host tells it",
  async (world) => {
    const boundary = "conformance";
    const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
    const field = (name: string, value: string, file = "") =>
      `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`;
    const sound = field("file", "RIFF of bees", '; filename="a.wav"');
    const end = `--${boundary}--\r\n`;
    const path = "/v1/audio/transcriptions";
    const whole = await expectSame(world, { path, body: sound + field("model", "listener") + end, headers });
    expect(whole.status).toBe(200);
    for (const body of [sound + end, field("model", "listener") + end, "", sound + field("model", "nope") + end, sound])
      expect((await expectSame(world, { path, body, headers })).status, body.slice(0, 60)).toBeGreaterThanOrEqual(400);
    await expectSame(world, { path, body: "{}", headers: { "content-type": "application/json" } });
  },
);

export const uploadCases: readonly ConformanceCase[] = [blobs, compressed, forms];
