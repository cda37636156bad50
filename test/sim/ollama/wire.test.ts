// The simulated host against answers recorded from Ollama (commit fb30760, Go 1.26) with the same models on disk.
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { simulatedModel } from "../../../src/sim/ollama/machine/model.ts";
import { startSimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { readVectors, sendRaw } from "./support.ts";

type Row = [
  method: string,
  path: string,
  headers: Record<string, string>,
  body: string | null,
  status: number,
  answerHeaders: Record<string, string>,
  chunked: boolean,
  answerBody: string,
];

const RECORDED_HEADER = /^(?:content-type|allow|location|vary|access-control-)/;

let host: SimulatedOllama;

beforeAll(async () => {
  host = await startSimulatedOllama({
    version: "0.0.0",
    models: [
      simulatedModel({ name: "tiny", capabilities: ["completion", "tools"] }),
      simulatedModel({ name: "emb", capabilities: ["embedding"] }),
      simulatedModel({ name: "think", capabilities: ["completion", "tools", "thinking"] }),
    ],
  });
});

afterAll(() => host.close());

describe("answers of Ollama", () => {
  // One at a time: some of them change what is on disk.
  it.each(readVectors<Row>("wire.jsonl"))("%s %s %j %s", async (...row) => {
    const [method, path, headers, body, status, answerHeaders, chunked, answerBody] = row;
    const answer = await sendRaw(host.port, { method, path, headers, body });
    const recorded = Object.entries(answer.headers).filter(([name]) => RECORDED_HEADER.test(name));
    expect({
      status: answer.status,
      headers: Object.fromEntries(recorded),
      chunked: answer.chunks !== undefined,
      body: withoutIds(answer.body),
    }).toEqual({ status, headers: answerHeaders, chunked, body: answerBody });
  });
});

describe("a compressed body", () => {
  const body = JSON.stringify({ model: "nope", messages: [{ role: "user", content: "x" }] });

  async function answerTo(path: string, bytes: Buffer, encoding: string): Promise<[number, unknown]> {
    const init = { method: "POST", body: new Uint8Array(bytes), headers: { "content-encoding": encoding } };
    const response = await fetch(host.url + path, init);
    return [response.status, await response.json()];
  }

  it("is read on the /v1 routes when zstd made it, and refused when it is none or too large", async () => {
    const path = "/v1/chat/completions";
    const notFound = { message: "model 'nope' not found", type: "not_found_error", param: null, code: null };
    expect(await answerTo(path, zstdCompressSync(body), "zstd")).toEqual([404, { error: notFound }]);
    const mismatch = { error: "invalid input: magic number mismatch" };
    expect(await answerTo(path, Buffer.from(body), "zstd")).toEqual([400, mismatch]);
    const large = zstdCompressSync(Buffer.alloc(21 << 20, " "));
    expect(await answerTo(path, large, "zstd")).toEqual([400, { error: "http: request body too large" }]);
  });

  it("is never decoded when gzip made it, nor on the native routes", async () => {
    const gzipped = { error: "invalid character '\\x1f' looking for beginning of value" };
    expect(await answerTo("/api/chat", gzipSync(body), "gzip")).toEqual([400, gzipped]);
    const compressed = { error: "invalid character '(' looking for beginning of value" };
    expect(await answerTo("/api/chat", zstdCompressSync(body), "zstd")).toEqual([400, compressed]);
  });
});

/** Ids, digests and times as the recording has them. */
function withoutIds(body: string): string {
  return body
    .replaceAll(/(msg|req)_[0-9a-f]+/g, "$1_X")
    .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:D")
    .replaceAll(/"\w+_duration":\d+/g, (field) => field.replace(/\d+$/, "N"));
}
