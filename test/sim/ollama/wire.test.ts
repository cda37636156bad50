// The simulated host against answers recorded from Ollama (commit fb30760, Go 1.26) with the same models on disk.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SimulatedOllama } from "../../../src/sim/ollama/server.ts";
import { simulatedModel } from "../../../src/sim/ollama/model.ts";
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

/** Ids, digests and times as the recording has them. */
function withoutIds(body: string): string {
  return body
    .replaceAll(/(msg|req)_[0-9a-f]+/g, "$1_X")
    .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:D")
    .replaceAll(/"\w+_duration":\d+/g, (field) => field.replace(/\d+$/, "N"));
}
