// Batches cut and answers joined: nothing lost, nothing out of order, no number written anew.
import { describe, expect, it } from "vitest";
import { joinBatch, splitBatch } from "../../src/edge/request/embed-split.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (body: Uint8Array | undefined) => new TextDecoder().decode(body);
const inputs = (count: number) => Array.from({ length: count }, (_, index) => `input ${index} "é"`);

function inputsOf(body: Uint8Array): unknown[] {
  return (JSON.parse(textOf(body)) as { input: unknown[] }).input;
}

describe("a batch", () => {
  it("is cut into parts that hold all inputs in order, and all else unchanged", () => {
    const body = bytes(`{"model":"e", "input" : ${JSON.stringify(inputs(100))} ,"options":{"num_ctx":512}}`);
    const parts = splitBatch("/api/embed", body) ?? [];
    expect(parts).toHaveLength(3);
    expect(parts.flatMap(inputsOf)).toEqual(inputs(100));
    for (const part of parts) {
      expect(JSON.parse(textOf(part))).toMatchObject({ model: "e", options: { num_ctx: 512 } });
      expect(inputsOf(part).length).toBeGreaterThanOrEqual(32);
    }
  });

  it("is never cut into more than sixteen parts", () => {
    const parts = splitBatch("/v1/embeddings", bytes(JSON.stringify({ model: "e", input: inputs(5_000) }))) ?? [];
    expect(parts).toHaveLength(16);
    expect(parts.flatMap(inputsOf)).toEqual(inputs(5_000));
  });

  it("that is small, a single text, one list of tokens, or of another path stays whole", () => {
    for (const input of [inputs(63), "text", Array.from({ length: 500 }, (_, token) => token)]) {
      expect(splitBatch("/api/embed", bytes(JSON.stringify({ model: "e", input })))).toBeUndefined();
    }
    expect(splitBatch("/api/embeddings", bytes(JSON.stringify({ model: "e", input: inputs(100) })))).toBeUndefined();
  });
});

describe("the answers to parts", () => {
  it("are joined in Ollama's form, numbers as they were written", () => {
    const answer = (rows: string, tokens: number, ns: number) =>
      bytes(
        `{"model":"e","embeddings":[${rows}],"total_duration":${ns},"load_duration":7,"prompt_eval_count":${tokens}}`,
      );
    const joined = textOf(
      joinBatch("/api/embed", [answer("[1e-07,0.10000000],[2,3]", 5, 900), answer("[-0.5,1E+2]", 4, 800)]),
    );
    expect(joined).toBe(
      '{"model":"e","embeddings":[[1e-07,0.10000000],[2,3],[-0.5,1E+2]],"total_duration":900,"load_duration":7,"prompt_eval_count":9}',
    );
  });

  it("are joined in OpenAI's form, with indexes over the whole batch", () => {
    const answer = (rows: readonly string[], tokens: number) =>
      bytes(
        `{"object":"list","data":[${rows.map((row, index) => `{"object":"embedding","embedding":${row},"index":${index}}`).join()}],"model":"e","usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`,
      );
    const joined = JSON.parse(textOf(joinBatch("/v1/embeddings", [answer(["[1]", "[2]"], 3), answer(['"AAAA"'], 4)])));
    expect(joined).toEqual({
      object: "list",
      data: [
        { object: "embedding", embedding: [1], index: 0 },
        { object: "embedding", embedding: [2], index: 1 },
        { object: "embedding", embedding: "AAAA", index: 2 },
      ],
      model: "e",
      usage: { prompt_tokens: 7, total_tokens: 7 },
    });
  });

  it("are not joined when one of them is something else", () => {
    expect(joinBatch("/api/embed", [bytes('{"embeddings":[[1]]}'), bytes('{"error":"no"}')])).toBeUndefined();
    expect(joinBatch("/v1/embeddings", [bytes('{"data":[{"index":0}]}')])).toBeUndefined();
    expect(joinBatch("/api/embed", [bytes("nonsense")])).toBeUndefined();
  });
});
