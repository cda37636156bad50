// What the agent times where Ollama does not tell, and what it leaves alone.
import { describe, expect, it } from "vitest";
import { Tail } from "../../src/agent/relay/tail.ts";
import { completeReport } from "../../src/agent/relay/timings.ts";

const TIMING = { loadMs: 0, askedAt: 1_000, answeredAt: 1_400, endedAt: 3_400 };

describe("a report", () => {
  it("keeps what Ollama measured, and adds the agent's own wait for the load", () => {
    const measured = {
      outcome: "served",
      promptTokens: 9,
      promptMs: 5,
      outputTokens: 7,
      outputMs: 6,
      loadMs: 3,
    } as const;
    expect(completeReport(measured, { ...TIMING, loadMs: 2_000 })).toEqual({ ...measured, loadMs: 2_003 });
    expect(completeReport(measured, { ...TIMING, events: 50 })).toEqual({ ...measured, loadMs: 3 });
  });

  it("of an event stream without durations has those the agent saw, and as many tokens as events with text", () => {
    expect(completeReport({ outcome: "served", promptTokens: 20 }, { ...TIMING, events: 102 })).toEqual({
      outcome: "served",
      promptTokens: 20,
      promptMs: 400,
      outputMs: 2_000,
      outputTokens: 100,
      loadMs: 0,
    });
  });

  it("of a failed request, or of an answer in one piece, claims no durations", () => {
    expect(completeReport({ outcome: "failed" }, { ...TIMING, events: 9 })).toEqual({ outcome: "failed", loadMs: 0 });
    expect(completeReport({ outcome: "served" }, TIMING)).toEqual({ outcome: "served", loadMs: 0 });
  });
});

describe("the tail of a stream", () => {
  it("counts events however they are cut, and reads OpenAI's and Anthropic's counts", () => {
    const tail = new Tail();
    for (const chunk of [
      'data: {"a":1}\n\ndata: {"b":2}',
      '\n\ndata: {"usage":{"prompt_tokens":12,',
      '"completion_tokens":34}}\n\n',
    ])
      tail.push(Buffer.from(chunk));
    expect(tail.countEvents()).toBe(3);
    expect(tail.read(200)).toEqual({ outcome: "served", promptTokens: 12, outputTokens: 34 });
    const other = new Tail();
    other.push(Buffer.from('data: {"usage":{"input_tokens":5,"output_tokens":6}}\n\n'));
    expect(other.read(200)).toEqual({ outcome: "served", promptTokens: 5, outputTokens: 6 });
  });
});
