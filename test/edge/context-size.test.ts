// Contexts rounded up to a few sizes, and nothing else of a body changed.
import { describe, expect, it } from "vitest";
import { roundContext, writeNumber } from "../../src/edge/body/context-size.ts";
import { ENDPOINTS } from "../../src/edge/endpoints.ts";
import { inspect } from "../../src/edge/body/inspect.ts";

const SIZES = [16_384, 4_096, 65_536];
const chat = ENDPOINTS.get("/api/chat");
if (chat === undefined) throw new Error("no /api/chat");

describe("a context", () => {
  it("is rounded up to the next size, and stays what it is beyond the largest or without sizes", () => {
    expect([1, 4_096, 4_097, 16_385, 65_537].map((numCtx) => roundContext(numCtx, SIZES))).toEqual([
      4_096, 4_096, 16_384, 65_536, 65_537,
    ]);
    expect(roundContext(5_000, [])).toBe(5_000);
  });

  it("is written where the body says it, every other byte untouched", () => {
    const text = `{"model":"m","options":{"num_ctx" : 5000 ,"seed":5000},"messages":[{"role":"user","content":"é 5000"}]}`;
    const bytes = new TextEncoder().encode(text);
    const read = inspect(chat, bytes);
    if (!read.ok || read.value.numCtxSpan === undefined) throw new Error("no context found");
    const written = writeNumber(bytes, read.value.numCtxSpan, 16_384);
    expect(new TextDecoder().decode(written)).toBe(text.replace("5000 ,", "16384 ,"));
    const again = inspect(chat, written);
    expect(again).toMatchObject({ ok: true, value: { numCtx: 16_384, runner: "num_ctx=16384" } });
  });

  it("that is no number is Ollama's to refuse", () => {
    const bytes = new TextEncoder().encode(`{"model":"m","options":{"num_ctx":"big"},"messages":[]}`);
    expect(inspect(chat, bytes)).toMatchObject({ ok: true, value: { numCtx: undefined, numCtxSpan: undefined } });
  });
});
