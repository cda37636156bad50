// Messages as byte ranges: what counts as text and what as media, in the three dialects.
import { describe, expect, it } from "vitest";
import type { MessageView } from "../../src/wire/json-messages.ts";
import { readMessages } from "../../src/wire/json-messages.ts";
import { scanBody } from "../../src/wire/json-scan.ts";

type Seen = { role: string; text: string[]; media: string[] };

function read(body: unknown, key = "messages"): { views: MessageView[]; bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  const scanned = scanBody(bytes);
  if (!scanned.ok) throw new Error(scanned.error.message);
  return { views: readMessages(bytes, scanned.body.members.get(key)), bytes };
}

function see(body: unknown, key = "messages"): Seen[] {
  const { views, bytes } = read(body, key);
  const decode = (start: number, end: number): string => new TextDecoder().decode(bytes.subarray(start, end));
  return views.map(({ role, pieces }) => ({
    role,
    text: pieces.filter(({ kind }) => kind === "text").map(({ start, end }) => decode(start, end)),
    media: pieces.filter(({ kind }) => kind === "media").map(({ start, end }) => decode(start, end)),
  }));
}

describe("readMessages", () => {
  it("reads Ollama's messages with images apart", () => {
    const tool_calls = [{ function: { name: "f", arguments: { a: 1 } } }];
    expect(
      see({
        messages: [
          { role: "system", content: "be kind" },
          { role: "user", content: "what is this", images: ["iVBO", "R0lG"] },
          { role: "assistant", content: "", thinking: "hm", tool_calls },
        ],
      }),
    ).toEqual([
      { role: "system", text: ["be kind"], media: [] },
      { role: "user", text: ["what is this"], media: ["iVBO", "R0lG"] },
      { role: "assistant", text: ["", "hm", JSON.stringify(tool_calls)], media: [] },
    ]);
  });

  it("reads OpenAI's parts", () => {
    const image_url = { url: "data:image/png;base64,AAAA" };
    const content = [
      { type: "text", text: "look" },
      { type: "image_url", image_url },
    ];
    expect(see({ messages: [{ role: "user", content }] })).toEqual([
      { role: "user", text: ["look"], media: [JSON.stringify(image_url)] },
    ]);
  });

  it("reads OpenAI's responses items", () => {
    const input = [
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "hi" },
          { type: "input_image", image_url: "data:x" },
        ],
      },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "42" },
      "bare",
    ];
    expect(see({ input }, "input")).toEqual([
      { role: "user", text: ["hi"], media: ["data:x"] },
      { role: "", text: ["f", "{}"], media: [] },
      { role: "", text: ["42"], media: [] },
      { role: "", text: ["bare"], media: [] },
    ]);
  });

  it("reads Anthropic's blocks, tool results inside out, and not the cache marks that move between turns", () => {
    const source = { type: "base64", media_type: "image/png", data: "AAAA" };
    const content = [
      { type: "text", text: "a", cache_control: { type: "ephemeral" } },
      { type: "tool_use", id: "t1", name: "f", input: { x: 1 } },
      {
        type: "tool_result",
        tool_use_id: "t1",
        content: [
          { type: "text", text: "b" },
          { type: "image", source },
        ],
      },
    ];
    expect(see({ messages: [{ role: "user", content }] })).toEqual([
      { role: "user", text: ["a", "f", '{"x":1}', "b"], media: [JSON.stringify(source)] },
    ]);
  });

  it("gives ranges that end where the message ends, and counts bytes, not characters", () => {
    const { views, bytes } = read('{"messages": [ {"role":"user","content":"é"} , {"content":"ab"}]}');
    const texts = views.map(({ start, end }) => new TextDecoder().decode(bytes.subarray(start, end)));
    expect(texts).toEqual(['{"role":"user","content":"é"}', '{"content":"ab"}']);
    expect(views.map(({ textBytes, mediaCount }) => [textBytes, mediaCount])).toEqual([
      [2, 0],
      [2, 0],
    ]);
    expect(views[0]?.content?.type).toBe("string");
  });

  it("reads keys in any case, for Ollama does", () => {
    expect(see('{"messages":[{"ROLE":"user","Content":"x"}]}')).toEqual([{ role: "user", text: ["x"], media: [] }]);
  });

  it("finds nothing in what is no list of messages", () => {
    expect(see({ messages: "text" })).toEqual([]);
    expect(see({ messages: null })).toEqual([]);
    expect(see({})).toEqual([]);
    expect(
      see({ messages: [1, null, { role: 7, content: null, images: null }] }).every(
        ({ text, media }) => text.length + media.length === 0,
      ),
    ).toBe(true);
  });

  it("jumps over a large image without losing its place", () => {
    const image = `${"A".repeat(1_000_003)}==`;
    const [message] = read({ messages: [{ role: "user", images: [image], content: "after" }] }).views;
    expect(message).toMatchObject({ textBytes: 5, mediaCount: 1 });
    const piece = message?.pieces[0];
    expect((piece?.end ?? 0) - (piece?.start ?? 0)).toBe(image.length);
  });

  it("strings full of escapes end where they end", () => {
    const content = `${'"'.repeat(100)}${"\\".repeat(101)}${'\\"'.repeat(50)}${"x".repeat(100)}\\`;
    expect(see({ messages: [{ role: "user", content }, { content: "next" }] })).toEqual([
      { role: "user", text: [JSON.stringify(content).slice(1, -1)], media: [] },
      { role: "", text: ["next"], media: [] },
    ]);
  });

  it("builds a bounded number of pieces, and loses no byte of them", () => {
    const [message] = read({ messages: [{ content: Array.from({ length: 5_000 }, () => "ab") }] }).views;
    expect(message?.pieces.length).toBe(1_000);
    expect(message?.textBytes).toBeGreaterThanOrEqual(10_000);
    const { views } = read({ input: Array.from({ length: 5_000 }, () => "ab") }, "input");
    expect(views.length).toBe(2_001);
    expect(views.at(-1)?.textBytes).toBeGreaterThanOrEqual(6_000);
  });
});
