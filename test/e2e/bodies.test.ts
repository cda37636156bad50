// Bodies of every kind: too large, compressed, forms, and images of 25 MB through processes whose memory stays flat.
import { createHash, randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { simulatedModel } from "../../src/sim/ollama/machine/model.ts";
import { startFleet } from "../support/fleet.ts";
import type { TestFleet } from "../support/fleet.ts";
import { childOf, residentMb } from "../support/memory.ts";

const models = [
  simulatedModel({ name: "llama3.2", capabilities: ["completion", "embedding"] }),
  simulatedModel({ name: "seer", capabilities: ["completion", "vision"], answerTokens: 5 }),
  simulatedModel({ name: "listener", capabilities: ["completion", "audio"] }),
];
let fleet: TestFleet;
let direct: string;

beforeAll(async () => {
  fleet = await startFleet({ MAX_BODY: "32MB" });
  const host = await fleet.addHost("a", { models, slots: 4, keepRequests: 100 }, 4);
  direct = host.ollama.url;
});
afterAll(async () => await fleet.close());

type Body = Uint8Array<ArrayBuffer> | string | FormData;

async function post(base: string, path: string, body: Body, headers: Record<string, string> = {}) {
  const auth = base === fleet.url ? { authorization: `Bearer ${fleet.token}` } : {};
  const response = await fetch(base + path, { method: "POST", body, headers: { ...auth, ...headers } });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

/** What is the same for two runs of a request. */
function timeless<Answer extends { text: string }>(answer: Answer): Answer {
  const text = answer.text.replaceAll(/"(created|created_at|id|\w+_duration)":("[^"]*"|\d+)/g, '"$1":0');
  return { ...answer, text: text.replaceAll(/(resp|msg|req|chatcmpl|cmpl)[-_]\w+/g, "$1") };
}

async function expectAlike(path: string, body: () => Body, headers: Record<string, string> = {}): Promise<string> {
  const expected = timeless(await post(direct, path, body(), headers));
  expect(timeless(await post(fleet.url, path, body(), headers)), path).toEqual(expected);
  return `${expected.status} ${expected.text}`;
}

const V1: Readonly<Record<string, object>> = {
  "/v1/chat/completions": { model: "llama3.2", messages: [{ role: "user", content: "hi" }] },
  "/v1/completions": { model: "llama3.2", prompt: "hi" },
  "/v1/embeddings": { model: "llama3.2", input: "hi" },
  "/v1/responses": { model: "llama3.2", input: "hi" },
  "/v1/messages": { model: "llama3.2", max_tokens: 9, messages: [{ role: "user", content: "hi" }] },
};

describe("a body compressed with zstd", () => {
  const zstd = { "content-encoding": "zstd" };

  it("is decoded on the /v1 routes, as Ollama does", async () => {
    for (const [path, body] of Object.entries(V1)) {
      const bytes = new Uint8Array(zstdCompressSync(JSON.stringify(body)));
      expect(await expectAlike(path, () => bytes, zstd)).toMatch(/^200/);
    }
  });

  it("is judged by what it decodes to [T21]", async () => {
    const token = await fleet.clientToken({ models: ["llama3.2"] });
    const body = new Uint8Array(zstdCompressSync('{"model":"seer","messages":[{"role":"user","content":"hi"}]}'));
    const headers = { ...zstd, authorization: `Bearer ${token}` };
    expect((await fetch(`${fleet.url}/v1/chat/completions`, { method: "POST", headers, body })).status).toBe(403);
  });

  it("is refused in Ollama's words when it is none, broken off, or more than 20 MiB", async () => {
    const whole = zstdCompressSync(JSON.stringify(V1["/v1/chat/completions"]));
    const bomb = new Uint8Array(zstdCompressSync(Buffer.alloc(21 << 20, "a")));
    const bodies = [new Uint8Array(whole.subarray(0, -5)), new Uint8Array(Buffer.from("not zstd at all")), bomb];
    for (const body of bodies) expect(await expectAlike("/v1/chat/completions", () => body, zstd)).toMatch(/^400/);
    expect(await expectAlike("/v1/chat/completions", () => new Uint8Array(0), zstd)).toMatch(/^400/);
  });

  it("is bad JSON on the native routes, and so is gzip on all", async () => {
    const chat = JSON.stringify(V1["/v1/chat/completions"]);
    expect(await expectAlike("/api/chat", () => new Uint8Array(zstdCompressSync(chat)), zstd)).toMatch(/^400/);
    for (const path of ["/api/chat", "/api/generate", "/v1/chat/completions", "/v1/messages"])
      expect(await expectAlike(path, () => new Uint8Array(gzipSync(chat)), { "content-encoding": "gzip" })).toMatch(
        /x1f/,
      );
  });
});

describe("a form with sound", () => {
  const wav = randomBytes(100_000);

  it("is transcribed through the npm client as straight from Ollama", async () => {
    const say = async (baseURL: string, apiKey: string): Promise<unknown> =>
      await new OpenAI({ baseURL, apiKey, maxRetries: 0 }).audio.transcriptions.create({
        model: "listener",
        file: await toFile(wav, "a.wav"),
        prompt: "Bees:",
      });
    const expected = await say(`${direct}/v1`, "none");
    // Ollama says it is NDJSON, so that the library gives the text as it came.
    expect(expected).toMatch(/^{"text":".{10,}"}\n$/);
    expect(await say(`${fleet.url}/v1`, fleet.token)).toEqual(expected);
  });

  it("gets the same answer in every way it can be wrong", async () => {
    const form = (fields: Record<string, string | Blob>) => () => {
      const made = new FormData();
      for (const [name, value] of Object.entries(fields)) made.set(name, value);
      return made;
    };
    const file = new Blob([wav]);
    const path = "/v1/audio/transcriptions";
    expect(await expectAlike(path, form({ model: "listener", file, response_format: "text" }))).toMatch(/^200/);
    expect(await expectAlike(path, form({ model: "nope", file }))).toMatch(/^404/);
    expect(await expectAlike(path, form({ model: "llama3.2", file }))).toMatch(/^[245]/);
    expect(await expectAlike(path, form({ file }))).toMatch(/^400/);
    expect(await expectAlike(path, form({ model: "listener" }))).toMatch(/^400/);
    expect(await expectAlike(path, form({ model: "listener", file: new Blob([]) }))).toMatch(/^400/);
    expect(await expectAlike(path, () => "{}", { "content-type": "application/json" })).toMatch(/^400/);
    expect(await expectAlike(path, () => "x", { "content-type": "multipart/form-data" })).toMatch(/^400/);
  });

  it("goes only where its token may [T19]", async () => {
    const form = new FormData();
    form.set("file", new Blob([wav]));
    form.set("model", "listener");
    const headers = { authorization: `Bearer ${await fleet.clientToken({ models: ["llama3.2"] })}` };
    const response = await fetch(`${fleet.url}/v1/audio/transcriptions`, { method: "POST", headers, body: form });
    expect(response.status).toBe(403);
  });
});

describe("a body over MAX_BODY", () => {
  const SHAPES: Readonly<Record<string, object>> = {
    "/api/chat": { error: "request body larger than 32MB" },
    "/v1/chat/completions": {
      error: { message: "request body larger than 32MB", type: "api_error", param: null, code: null },
    },
    "/v1/audio/transcriptions": { error: { type: "api_error" } },
    "/v1/messages": { type: "error", error: { type: "api_error", message: "request body larger than 32MB" } },
  };

  it.each(["with its length", "in chunks, without one"])(
    "is refused as JSON in the shape of the API, %s",
    async (how) => {
      for (const [path, shape] of Object.entries(SHAPES)) {
        const whole = new Uint8Array(33_000_000).fill(0x20);
        const body = how === "with its length" ? whole : new Blob([whole]).stream();
        const response = await fetch(fleet.url + path, {
          method: "POST",
          body,
          headers: { authorization: `Bearer ${fleet.token}` },
          duplex: "half",
        });
        expect(response.status, path).toBe(413);
        expect(response.headers.get("content-type")).toMatch(/^application\/json/);
        expect(await response.json()).toMatchObject(shape);
      }
    },
  );

  it("is counted while it is read: a length that lies opens nothing, and one byte less than the limit passes", async () => {
    const frame = '{"model":"nope","x":""}';
    const fill = "a".repeat(32_000_000 - frame.length);
    expect((await post(fleet.url, "/api/chat", frame.replace('""', `"${fill}"`))).status).toBe(404);
    expect((await post(fleet.url, "/api/chat", frame.replace('""', `"${fill}a"`))).status).toBe(413);
  });
});

const ROUNDS = 16;
/** Collectors take their time; bodies that were held would be 200 MB in the second half. */
const GROWTH_MAX_MB = 64;

describe.runIf(process.platform === "linux")("images of 25 MB", () => {
  it("pass untouched, and the memory of edge and agent stays flat", async () => {
    const fresh = await startFleet();
    try {
      const host = await fresh.addHost("a", { models, keepRequests: 50 });
      const workerd = await childOf(fresh.edge.child.pid ?? 0, "workerd");
      const agent = host.agent.child.pid ?? 0;
      const measure = async () => [await residentMb(workerd), await residentMb(agent)] as const;
      const before = await measure();
      const images = [randomBytes(18_750_000).toString("base64")];
      const body = JSON.stringify({ model: "seer", stream: false, messages: [{ role: "user", content: "?", images }] });
      const sha256 = createHash("sha256").update(body).digest("hex");
      const held: (readonly [edge: number, agent: number])[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const headers = { authorization: `Bearer ${fresh.token}` };
        expect((await fetch(`${fresh.url}/api/chat`, { method: "POST", headers, body })).status).toBe(200);
        expect(host.ollama.requests.findLast(({ url }) => url === "/api/chat")?.bodySha256).toBe(sha256);
        held.push(await measure());
      }
      for (const [at, name] of ["edge", "agent"].entries()) {
        const peak = (rounds: typeof held) => Math.max(...rounds.map((both) => both[at] ?? Number.NaN));
        const [first, last] = [peak(held.slice(0, ROUNDS / 2)), peak(held.slice(ROUNDS / 2))];
        console.info(
          `${name}: ${before[at]} MB before, at most ${first} MB in the first half, ${last} MB in the second`,
        );
        expect(last, name).toBeLessThan(first + GROWTH_MAX_MB);
      }
    } finally {
      await fresh.close();
    }
  }, 120_000);
});
