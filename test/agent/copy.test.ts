// Models from host to host over real sockets: what opens the door, what crosses, and what a broken copy leaves behind.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { copyModel } from "../../src/agent/orders/copy-model.ts";
import type { CopySource } from "../../src/agent/orders/copy-model.ts";
import { EdgeClock } from "../../src/agent/edge-clock.ts";
import { blobPath, findModelFiles } from "../../src/agent/orders/model-files.ts";
import { openShare, SHARED_BLOB, SHARED_MANIFEST } from "../../src/agent/orders/share.ts";
import type { Share } from "../../src/agent/orders/share.ts";
import { isSiteUrl } from "../../src/agent/orders/site-address.ts";
import { issueCopyToken } from "../../src/auth/copy-token.ts";
import type { CopyGrant } from "../../src/auth/copy-token.ts";
import { sendRaw, startHost, until } from "./fixture.ts";

const MODEL = "registry.ollama.ai/library/llama3.2:latest";
const OTHER = "registry.ollama.ai/library/other:latest";
const legKey = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256", length: 256 }, false, [
  "sign",
  "verify",
]);

interface StoredModel {
  readonly digest: string;
  readonly blobs: readonly string[];
}

/** Puts a model into a store as Ollama keeps it. */
async function store(dir: string, path: string, contents: readonly Buffer[]): Promise<StoredModel> {
  const rows = contents.map((content) => ({
    mediaType: "application/vnd.ollama.image.model",
    digest: `sha256:${createHash("sha256").update(content).digest("hex")}`,
    size: content.byteLength,
  }));
  await mkdir(join(dir, "blobs"), { recursive: true });
  for (const [index, row] of rows.entries()) await writeFile(blobPath(dir, row.digest), contents[index] ?? "");
  const [config, ...layers] = rows;
  const manifest = JSON.stringify({ schemaVersion: 2, config, layers });
  const file = join(dir, "manifests", path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, manifest);
  return { digest: createHash("sha256").update(manifest).digest("hex"), blobs: rows.map(({ digest }) => digest) };
}

let giver: string;
let taker: string;
let model: StoredModel;
let share: Share;
let front: Server | undefined;
const weights = randomBytes(300_000);

beforeEach(async () => {
  giver = await mkdtemp(join(tmpdir(), "hive-giver-"));
  taker = await mkdtemp(join(tmpdir(), "hive-taker-"));
  model = await store(giver, "registry.ollama.ai/library/Llama3.2/latest", [
    Buffer.from("{}"),
    weights,
    Buffer.from("template"),
  ]);
  const listen = { hostname: "127.0.0.1", port: 0 };
  const clock = new EdgeClock();
  share = await openShare({
    listen,
    modelsDir: giver,
    legKey,
    hostId: "giver",
    issuer: "hive",
    clock,
    log: () => undefined,
  });
});
afterEach(async () => {
  front?.closeAllConnections();
  front?.close();
  front = undefined;
  await share.close();
  for (const folder of [giver, taker]) await rm(folder, { recursive: true, force: true });
});

async function grant(part: Partial<CopyGrant> = {}): Promise<string> {
  return await issueCopyToken(legKey, {
    giver: "giver",
    taker: "taker",
    model: MODEL,
    issuer: "hive",
    now: Date.now(),
    ...part,
  });
}

async function source(part: Partial<CopySource> = {}): Promise<CopySource> {
  return { hostId: "giver", url: share.url, token: await grant(), ...part };
}

const told: number[] = [];
async function copy(from: CopySource, digest = model.digest): Promise<void> {
  told.length = 0;
  const signal = new AbortController().signal;
  await copyModel(from, { modelsDir: taker, model: MODEL, digest, signal, onProgress: (done) => void told.push(done) });
}

async function status(path: string, token: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(share.url + path, { headers: { authorization: `Bearer ${token}`, ...headers } });
  await response.arrayBuffer();
  return response.status;
}

/** A path to the giver that breaks each blob's answer after so many bytes, and counts what it was asked for. */
async function breakingAfter(bytes: number, ranges: string[]): Promise<string> {
  const server = createServer((request, response) => {
    if (request.headers.range !== undefined) ranges.push(request.headers.range);
    const onward = httpRequest(share.url + (request.url ?? ""), { headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      // What reaches its end is whole, and must not look as if it broke.
      const total = Number(answer.headers["content-length"] ?? "0");
      let passed = 0;
      answer.on("data", (chunk: Buffer) => {
        const part = chunk.subarray(0, Math.max(0, bytes - passed));
        passed += part.length;
        response.write(part, () => (passed >= bytes && passed < total ? response.destroy() : undefined));
      });
      answer.on("end", () => response.end());
    });
    onward.on("error", () => response.destroy());
    onward.end();
  });
  front = server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

describe("a model", () => {
  it("is copied whole, and lies in the store as Ollama keeps it", async () => {
    await copy(await source());
    const files = await findModelFiles(taker, MODEL);
    expect(files?.blobs.map(({ digest }) => digest).toSorted()).toEqual([...model.blobs].toSorted());
    expect(await readFile(blobPath(taker, model.blobs[1] ?? ""))).toEqual(weights);
    expect(told.at(-1)).toBe(300_010);
  });

  it("takes over files that are there already", async () => {
    await store(taker, "registry.ollama.ai/library/older/latest", [Buffer.from("{}"), weights]);
    const before = await stat(blobPath(taker, model.blobs[1] ?? ""));
    await copy(await source());
    expect((await stat(blobPath(taker, model.blobs[1] ?? ""))).mtimeMs).toBe(before.mtimeMs);
  });

  it("goes on where a copy broke", async () => {
    const ranges: string[] = [];
    const url = await breakingAfter(100_000, ranges);
    await copy(await source({ url }));
    expect(await readFile(blobPath(taker, model.blobs[1] ?? ""))).toEqual(weights);
    // What was under way when the connection broke may be lost with it, and is asked for again.
    const starts = ranges.map((range) => Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
    expect(starts.length).toBeGreaterThanOrEqual(2);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.every((start) => start > 0 && start < weights.length)).toBe(true);
  });

  it("is given up when the other host breaks off again and again without a byte", async () => {
    const url = await breakingAfter(0, []);
    await expect(copy(await source({ url }))).rejects.toThrow();
    expect(await findModelFiles(taker, MODEL)).toBeUndefined();
  });

  it("is not there when a file is not what its digest says", async () => {
    await writeFile(blobPath(giver, model.blobs[1] ?? ""), Buffer.alloc(300_000));
    await expect(copy(await source())).rejects.toThrow(/digest/);
    expect(await findModelFiles(taker, MODEL)).toBeUndefined();
    expect((await readdir(join(taker, "blobs"))).filter((name) => name.endsWith("-hive"))).toEqual([]);
  });

  it("is refused when the other host has another model under the name", async () => {
    await expect(copy(await source(), "0".repeat(64))).rejects.toThrow(/another model/);
  });
});

describe("an agent", () => {
  const TINY = "registry.ollama.ai/library/tiny:latest";

  it("fetches the files of a model that it is told to pull from the host named in the order", async () => {
    const tiny = await store(giver, "registry.ollama.ai/library/tiny/latest", [Buffer.from("{}"), weights]);
    await using host = await startHost({ agent: { modelsDir: taker } });
    const from = [{ hostId: "giver", url: share.url, token: await grant({ model: TINY }) }];
    host.edge.order({ type: "pull", model: TINY, digest: tiny.digest, from });
    await until("it was copied", () => host.logged.some(({ event }) => event === "model-copied"));
    expect((await findModelFiles(taker, TINY))?.blobs).toHaveLength(2);
    expect(host.ollama.requests.some(({ url }) => url === "/api/pull")).toBe(false);
  });

  it("lets Ollama download it where the other host cannot be reached", async () => {
    await using host = await startHost({ agent: { modelsDir: taker } });
    const from = [{ hostId: "giver", url: "http://127.0.0.1:9", token: await grant({ model: TINY }) }];
    host.edge.order({ type: "pull", model: TINY, digest: "0".repeat(64), from });
    await until("Ollama was asked", () => host.ollama.requests.some(({ url }) => url === "/api/pull"));
    expect(host.logged.map(({ event }) => event)).toContain("copy-failed");
  });

  it("asks no address outside its site, whatever another host says of itself [T7]", async () => {
    for (const url of [
      "http://169.254.169.254",
      "http://example.com",
      "https://10.0.0.1",
      "http://8.8.8.8:80",
      "http://10.0.0.1/x",
      "http://u@10.0.0.1",
    ])
      await expect(copy(await source({ url })), url).rejects.toThrow(/not of this site/);
    for (const url of [
      "http://10.1.2.3:11436",
      "http://192.168.0.9:1",
      "http://[fd00::1]:11436",
      "http://100.64.3.4:9",
    ])
      expect(isSiteUrl(url), url).toBe(true);
    await using host = await startHost({ agent: { modelsDir: giver } });
    await expect(host.start({ modelsDir: giver, share: { hostname: "0.0.0.0", port: 0 } })).rejects.toThrow(/--share/);
  });

  it("tells where its files can be had, and opens no door without knowing where they lie", async () => {
    const listen = { hostname: "127.0.0.1", port: 0 };
    await using host = await startHost({ agent: { modelsDir: giver, share: listen } });
    const beat = await host.edge.beat(() => true, 0);
    expect(beat.shareUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await fetch(`${beat.shareUrl ?? ""}${SHARED_MANIFEST}`)).status).toBe(401);
    await expect(host.start({ share: listen })).rejects.toThrow(/--models/);
  });
});

describe("the door for other hosts [T2 T24]", () => {
  it("opens only with leave for that host and model, and only to what the model consists of", async () => {
    const blob = `${SHARED_BLOB}${model.blobs[1] ?? ""}`;
    expect(await status(SHARED_MANIFEST, await grant())).toBe(200);
    expect(await status(blob, await grant())).toBe(200);
    const foreign = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign"]);
    const forged = await issueCopyToken(foreign, {
      giver: "giver",
      taker: "taker",
      model: MODEL,
      issuer: "hive",
      now: Date.now(),
    });
    for (const token of [
      "",
      forged,
      await grant({ giver: "somebody" }),
      await grant({ model: OTHER }),
      await grant({ now: Date.now() - 2 * 3_600_000 }),
    ]) {
      expect(await status(blob, token)).toBe(401);
      expect(await status(SHARED_MANIFEST, token)).toBe(401);
    }
    const other = await store(giver, "registry.ollama.ai/library/other/latest", [Buffer.from("secret")]);
    expect(await status(`${SHARED_BLOB}${other.blobs[0] ?? ""}`, await grant())).toBe(401);
    expect(await status(`${SHARED_BLOB}../../manifests`, await grant())).toBe(401);
    expect(await status("/api/tags", await grant())).toBe(401);
  });

  it("has the same empty answer as the other door for what is no request", async () => {
    const port = Number(new URL(share.url).port);
    const refusal = "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    for (const bytes of [
      "hello\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
      `GET ${SHARED_MANIFEST} HTTP/1.1\r\nHost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
      `POST ${SHARED_MANIFEST} HTTP/1.1\r\nHost: x\r\nauthorization: Bearer ${await grant()}\r\ncontent-length: 0\r\n\r\n`,
    ])
      expect(await sendRaw(port, bytes), bytes.slice(0, 20)).toBe(refusal);
  });

  it("gives the rest of a file from an offset, and nothing beyond its end", async () => {
    const blob = `${SHARED_BLOB}${model.blobs[1] ?? ""}`;
    const response = await fetch(share.url + blob, {
      headers: { authorization: `Bearer ${await grant()}`, range: "bytes=299990-" },
    });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe("bytes 299990-299999/300000");
    expect(Buffer.from(await response.arrayBuffer())).toEqual(weights.subarray(299_990));
    expect(await status(blob, await grant(), { range: "bytes=300000-" })).toBe(416);
  });
});
